"""What is taken out of a prediction before it becomes a mask."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from liverlib.preprocessing.boxes import Box, liver_box
from liverlib.preprocessing.cube import Cube, classes


@dataclass(frozen=True)
class PostprocessSettings:
    """What is taken out of a mask. With `largest` off every tumour has its liver around it, and
    `inside` changes nothing."""

    largest: bool = True  # of the liver only the largest connected piece is kept
    inside: bool = True  # no tumour is left outside it
    sure: float = 0.7  # the mean probability that a lesion needs; chosen on phantoms kept for that

    def __str__(self) -> str:
        liver = "the largest piece" if self.largest else "every piece"
        tumours = "inside it" if self.inside or not self.largest else "anywhere"
        return f"liver: {liver}; tumours: {tumours}, of a mean probability from {self.sure:g}"

    def dropped(self, mask: np.ndarray) -> np.ndarray:
        """Where an array of classes is to become background."""
        if not self.largest:
            return np.zeros(mask.shape, bool)
        found = apart(mask > 0)
        return found if self.inside else found & (mask != 2)


def keep(shares: np.ndarray, rules: PostprocessSettings = PostprocessSettings()) -> np.ndarray:
    """The shares (2, …), with nothing where the rules drop liver or tumour.

    Elsewhere than in the liver a network now and then takes spleen or heart for it. Lesions that
    it is unsure of become liver: most of them are none.
    """
    kept = np.where(rules.dropped(classes(shares)), np.float32(0), shares)
    lesions, count = ndimage.label(kept[1] >= 0.5)
    means = ndimage.mean(kept[1], lesions, range(1, count + 1))
    unsure = np.append(False, np.less(means, rules.sure))  # first: what is no lesion
    kept[1][unsure[lesions]] = 0
    return kept


def roi_box(cube: Cube, shares: np.ndarray, spacing: np.ndarray) -> Box | None:
    """The box, in the scan's voxels, around the liver that the shares of a cube show."""
    width = [
        (stop - start) / n for (start, stop), n in zip(cube.box, shares.shape[1:], strict=True)
    ]
    found = liver_box(shares[0] >= 0.5, np.multiply(width, spacing))
    if found is None:
        return None
    edges = (
        (start + low * w, start + high * w)
        for (low, high), (start, _), w in zip(found, cube.box, width, strict=True)
    )
    return tuple((int(np.floor(low)), int(np.ceil(high))) for low, high in edges)


def apart(liver: np.ndarray) -> np.ndarray:
    """What of a mask is not part of its largest connected piece (6 neighbours)."""
    pieces, count = ndimage.label(liver)
    if count < 2:
        return np.zeros_like(liver)
    return (pieces > 0) & (pieces != 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
