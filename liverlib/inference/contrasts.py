"""Faint and bright tumours, which stand out once the liver's contrast is changed.

The ROI stage sees its cube again, with the liver's contrast stretched and with it inverted. It adds
the tumours of which it is certain then, and takes none away. How certain it must be is chosen for a
file of weights, and kept in its calibration: other networks may call much tumour then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from liverlib.core.arrays import Spacing, components
from liverlib.preprocessing.cube import Cube

from .stage_output import StageOutput


@dataclass(frozen=True)
class ChangedContrast:
    """How the liver's contrast is changed, and which tumours are then added.

    Grey values of the liver lie `gain` times as far from their median; below 0 what was bright is
    dark. A tumour's probability must reach `least_peak`, and a ball of `least_radius_mm` must fit
    into what of it is brighter than the liver; 0 asks for none.
    """

    gain: float
    least_peak: float
    least_radius_mm: float = 0.0

    def cube(self, roi: StageOutput) -> Cube:
        """The stage's cube in this contrast."""
        image, liver = roi.cube.image, roi.kept[0] >= 0.5
        level = np.median(image[liver])
        greys = np.rint(level + self.gain * (np.arange(256) - level)).clip(0, 255).astype(np.uint8)
        return replace(roi.cube, image=np.where(liver, greys[image], image))

    def find(self, roi: StageOutput, tumour: np.ndarray, spacing: Spacing) -> np.ndarray:
        """The probability (S, S, S) of the tumours to be added, 0 elsewhere.

        Args:
            roi: what the stage made of the scan as it is.
            tumour: the probability (S, S, S) of a tumour in this contrast.
            spacing: of the scan, mm.
        """
        lesions, count = components((roi.kept[0] >= 0.5) & (tumour >= 0.5))
        numbers = range(1, count + 1)
        added = np.array(ndimage.maximum(tumour, lesions, numbers)) >= self.least_peak
        if self.least_radius_mm and added.any():
            added &= bright_radii(roi, lesions, numbers, spacing) >= self.least_radius_mm
        return np.where(np.append(False, added)[lesions], tumour, np.float32(0))


# Chosen on phantoms for the pretrained weights (benchmarks/weights/changed_contrasts.py), but for
# the radius: inverted, bright vessels may look like tumours, and they are seldom 18 mm wide. The
# portal vein, outside the liver, is 15.5 mm (SD 1.9; Stamm et al., Abdominal Radiology, 2016).
STRETCHED, INVERTED = ChangedContrast(1.5, 0.99), ChangedContrast(-1.0, 0.97, 9.0)


def add_from_contrasts(
    roi: StageOutput,
    predict: Callable[[Cube], np.ndarray],
    spacing: Spacing,
    contrasts: Sequence[ChangedContrast],
) -> StageOutput:
    """The ROI stage's outcome with the tumours that it finds in changed contrasts.

    Args:
        roi: what the stage made of the scan as it is.
        predict: the stage itself: single predictions (N, 2, S, S, S) of a cube.
        spacing: of the scan, mm.
        contrasts: in which the stage sees the liver again.
    """
    found, each = np.zeros_like(roi.kept[1]), np.zeros_like(roi.probabilities[:, 1])
    for contrast in contrasts:
        tumours = predict(contrast.cube(roi))[:, 1]
        singles = np.stack([contrast.find(roi, tumour, spacing) for tumour in tumours])
        alone = len(tumours) == 1
        mean = singles[0] if alone else contrast.find(roi, tumours.mean(axis=0), spacing)
        np.maximum(found, mean, out=found)
        np.maximum(each, singles, out=each)
    return roi.with_tumours(found, each)


def bright_radii(
    roi: StageOutput, lesions: np.ndarray, numbers: Sequence[int], spacing: Spacing
) -> np.ndarray:
    """The radius, in mm, of the largest ball in the bright part of each lesion; 0 for dark ones.

    The bright part exceeds the liver's median by half of what the lesion does on average.
    """
    box, image = roi.cube.box, roi.cube.image
    excess = ndimage.gaussian_filter(image.astype(np.float32), 1)
    excess -= np.median(image[roi.kept[0] >= 0.5])
    means = np.array(ndimage.mean(excess, lesions, numbers))
    bright = (lesions > 0) & (excess > np.append(0, means)[lesions] / 2)
    sides = zip(box, image.shape, spacing, strict=True)
    mm = [(side.stop - side.start) * width / n for side, n, width in sides]
    radii = np.array(ndimage.maximum(ndimage.distance_transform_edt(bright, mm), lesions, numbers))
    return np.where(means > 0, radii, 0)
