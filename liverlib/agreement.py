"""How one object of a mask (liver, tumour, one lesion) agrees with that of its reference.

Definitions are those of LiTS; where its script swaps arguments or cannot take an empty mask, the
definition is kept. What cannot be measured is NaN, and is counted where means are taken.
"""

from dataclasses import dataclass

import numpy as np

from liverlib.detection import crop_to_content, ratio
from liverlib.metrics import dice
from liverlib.surface import SurfaceScore, surface_score
from liverlib.surfels import surface_dice_by_area

UNKNOWN = (np.nan, np.nan)


@dataclass(frozen=True)
class Agreement:
    """Overlap and distances of two masks; `dataclasses.asdict` makes it fit for JSON.

    Distances (mm) are NaN where a mask is empty or the spacing unknown. Surface Dice, by area
    within 1 and 2 mm, is 1 where both masks are empty and 0 where one is, as Dice is.
    """

    reference_voxels: int
    predicted_voxels: int
    shared_voxels: int
    dice: float
    voe: float  # volumetric overlap error, 1 - IoU; 0 where both masks are empty
    rvd: float  # relative volume difference, (predicted - reference) / reference: + is too much
    assd: float
    rmsd: float
    mssd: float
    hd95: float
    surface_dice_1: float
    surface_dice_2: float


def agreement(
    reference: np.ndarray, predicted: np.ndarray, spacing: np.ndarray | None
) -> Agreement:
    """Measures two masks on one grid; `spacing` in mm, None where it is unknown.

    Raises `LiverlibError` for unequal shapes.
    """
    reference, predicted = crop_to_content(reference != 0, predicted != 0)
    masks = reference, predicted, reference & predicted
    ours, theirs, shared = (int(np.count_nonzero(mask)) for mask in masks)
    distances, within = SurfaceScore(*[np.nan] * 4), UNKNOWN
    if spacing is not None:
        within = surface_dice_by_area(reference, predicted, spacing, (1, 2))
        if ours and theirs:
            distances = surface_score(reference, predicted, spacing)
    return Agreement(
        ours,
        theirs,
        shared,
        dice(reference, predicted),
        1 - shared / (ours + theirs - shared) if ours or theirs else 0.0,
        ratio(theirs - ours, ours),
        *vars(distances).values(),
        *within,
    )
