"""What is taken out of a stage's probabilities before they become a mask."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from liverlib.core.arrays import Box, components, find_pieces, to_box
from liverlib.core.settings import CheckedSettings, setting
from liverlib.preprocessing.boxes import liver_box
from liverlib.preprocessing.cube import Cube, to_classes


@dataclass(frozen=True)
class PostprocessSettings(CheckedSettings):
    """What is taken out of a mask.

    With `largest_component` off every tumour has its liver around it, and `tumours_inside` changes
    nothing.
    """

    largest_component: bool = setting(True, "keep of the liver only the largest connected piece")
    tumours_inside: bool = setting(True, "leave no tumour outside it")
    min_lesion_probability: float = setting(  # the default was chosen on phantoms
        0.98,
        "probability that a lesion must reach somewhere to stay one",
        low=0,
        high=1,
        option="--min-lesion-probability",
    )

    def __str__(self) -> str:
        liver = "the largest piece" if self.largest_component else "every piece"
        inside = self.tumours_inside or not self.largest_component
        return (
            f"liver: {liver}; tumours: {'inside it' if inside else 'anywhere'}, where they reach "
            f"a probability of {self.min_lesion_probability:g}"
        )

    def removed(self, mask: np.ndarray) -> np.ndarray:
        """Where an array of classes is to become background, bool."""
        if not self.largest_component:
            return np.zeros(mask.shape, bool)
        outside = outside_largest_component(mask)
        if not self.tumours_inside:
            outside &= mask != 2
        return outside


DEFAULTS = PostprocessSettings()


def postprocess(probabilities: np.ndarray, settings: PostprocessSettings = DEFAULTS) -> np.ndarray:
    """The probabilities (2, …) of liver or tumour and of tumour, 0 where the settings remove one.

    Elsewhere than in the liver a network now and then takes spleen or heart for it. Lesions that
    are certain nowhere become liver: most of them are false. One that is certain somewhere keeps
    all of its voxels from ½, as in thresholding with hysteresis.
    """
    kept = np.where(settings.removed(to_classes(probabilities)), np.float32(0), probabilities)
    lesions, count = components(kept[1] >= 0.5)
    peaks = ndimage.maximum(kept[1], lesions, range(1, count + 1))
    doubtful = np.append(False, np.less(peaks, settings.min_lesion_probability))  # first: no lesion
    kept[1][doubtful[lesions]] = 0
    return kept


def outside_largest_component(liver: np.ndarray) -> np.ndarray:
    """What of a mask is not part of its largest connected piece (6 neighbours), bool."""
    pieces = find_pieces(liver)
    numbers = np.arange(len(pieces.sizes))
    return pieces.mask(numbers != (pieces.sizes.argmax() if len(numbers) else 0))


def roi_box(cube: Cube, probabilities: np.ndarray, spacing: np.ndarray) -> Box | None:
    """The box, in the scan's voxels, around the liver in a cube (2, S, S, S), and a margin."""
    width = [
        (side.stop - side.start) / n
        for side, n in zip(cube.box, probabilities.shape[1:], strict=True)
    ]
    liver = liver_box(probabilities[0] >= 0.5, np.multiply(width, spacing))
    if liver is None:
        return None
    sides = zip(liver, cube.box, width, strict=True)
    return to_box(
        slice(
            int(np.floor(side.start + part.start * w)),
            min(side.stop, int(np.ceil(side.start + part.stop * w))),  # w is rounded
        )
        for part, side, w in sides
    )
