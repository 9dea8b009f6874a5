"""One case scored: its liver, its tumour and its lesions against the reference.

Arrays in, numbers out. The definitions are those of LiTS (Bilic et al. 2023): liver is every
class from 1 up, tumour is class 2, a lesion is a component under 6 neighbours. Where the official
scorer is known to err (empty references, the order of labels, swapped arguments, negative counts),
the definition is kept and the error is not. What cannot be measured is NaN, and is counted where
means are taken. Scores belong on the scan's own grid.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from liverlib.core.arrays import Spacing, crop_to_content, enough_memory, ratio
from liverlib.io.nifti import read_label
from liverlib.io.volume import Volume, check_grid

from .lesion_matching import LesionCounts, match_lesions
from .lesion_table import check_count
from .lits_script import ScriptCase, script_case
from .overlap import dice, voxel_ml
from .surface_distance import SurfaceScore, surface_dice, surface_score


@dataclass(frozen=True)
class ObjectResult:
    """One object (the liver, the tumour, one lesion) of a mask against that of its reference.

    Distances (mm) are NaN where a mask is empty or the spacing unknown, ml where it is unknown.
    Surface Dice, by area within 1 and 2 mm, is 1 where both masks are empty and 0 where one is, as
    Dice is.
    """

    reference_voxels: int
    predicted_voxels: int
    shared_voxels: int
    reference_ml: float
    predicted_ml: float
    dice: float
    voe: float  # volumetric overlap error, 1 - IoU; 0 where both masks are empty
    rvd: float  # relative volume difference, (predicted - reference) / reference: + is too much
    assd: float
    rmsd: float
    mssd: float
    hd95: float
    surface_dice_1: float
    surface_dice_2: float


@dataclass(frozen=True)
class CaseResult:
    """Everything that is measured of one mask against its reference, each value once.

    `liver` includes the tumours. `by_size` is empty where the spacing is unknown.

    >>> score_volumes("liver_3", label, mask).iou_50.recall
    1.0
    """

    name: str
    spacing_known: bool
    liver: ObjectResult
    tumour: ObjectResult
    burden: float  # tumour / liver of the reference, in voxels; NaN without a liver
    predicted_burden: float
    iou_0: LesionCounts  # lesion-wise detection at IoU > 0: lesions that overlap at all
    iou_50: LesionCounts  # … at IoU > 0.5
    by_size: dict[str, LesionCounts]  # the same, by equivalent diameter
    detected: list[ObjectResult] = field(default_factory=list)  # each lesion of iou_50's tp
    lits_script: ScriptCase | None = None

    @property
    def has_tumour(self) -> bool:
        """Whether the reference holds a tumour."""
        return self.tumour.reference_voxels > 0

    @property
    def false_tumour_ml(self) -> float:
        """Tumour predicted where the reference has none at all; 0 where it has some."""
        return 0.0 if self.has_tumour else self.tumour.predicted_ml


def compare_masks(
    reference: np.ndarray, predicted: np.ndarray, spacing: Spacing | None = None
) -> ObjectResult:
    """Measures two masks (X, Y, Z) on one grid; `spacing` in mm, None where it is unknown.

    Raises `LiverlibError` for unequal shapes.
    """
    reference, predicted = crop_to_content(reference != 0, predicted != 0)
    n_reference, n_predicted, n_shared = (
        int(np.count_nonzero(mask)) for mask in (reference, predicted, reference & predicted)
    )
    distances, close = SurfaceScore(*[np.nan] * 4), [np.nan, np.nan]
    if spacing is not None:
        close = surface_dice(reference, predicted, spacing, (1, 2))
        if n_reference and n_predicted:
            distances = surface_score(reference, predicted, spacing)
    union, ml = n_reference + n_predicted - n_shared, voxel_ml(spacing)
    return ObjectResult(
        n_reference,
        n_predicted,
        n_shared,
        n_reference * ml,
        n_predicted * ml,
        dice(reference, predicted),
        1 - n_shared / union if union else 0.0,
        ratio(n_predicted - n_reference, n_reference),
        *vars(distances).values(),
        *close,
    )


def score_case(
    reference: np.ndarray,
    predicted: np.ndarray,
    spacing: Spacing | None = None,
    name: str = "",
    lits_script: ScriptCase | None = None,
) -> CaseResult:
    """Scores one mask of classes (X, Y, Z) against its reference on the same grid.

    `spacing` is in mm, None where it is not known. Raises `LiverlibError` for unequal shapes, and
    for a reference of more than 10,000 lesions; a prediction may hold any number.
    """
    reference, predicted = crop_to_content(reference, predicted)
    tumours = reference == 2, predicted == 2
    lesions = match_lesions(*tumours)
    check_count(len(lesions.reference_voxels), f"{name or 'this case'}: its reference")
    liver, tumour = compare_masks(reference, predicted, spacing), compare_masks(*tumours, spacing)
    return CaseResult(
        name=name,
        spacing_known=spacing is not None,
        liver=liver,
        tumour=tumour,
        burden=ratio(tumour.reference_voxels, liver.reference_voxels),
        predicted_burden=ratio(tumour.predicted_voxels, liver.predicted_voxels),
        iou_0=lesions.counts(above=0),
        iou_50=lesions.counts(above=0.5),
        by_size={} if spacing is None else lesions.counts_by_size(spacing),
        detected=[compare_masks(*pair, spacing) for pair in lesions.pairs(above=0.5)],
        lits_script=lits_script,
    )


def score_volumes(
    name: str, reference: Volume, predicted: Volume, as_lits_script: bool = False
) -> CaseResult:
    """`score_case` of a label and a mask on the same grid, in mm where its spacing is known.

    Raises `LiverlibError` as that does, for a mask on another grid, and where memory is short.

    Args:
        name: of the case.
        reference: its label.
        predicted: its mask, on the label's grid.
        as_lits_script: also what the official LiTS script keeps of the case.

    >>> score_volumes("liver_3", label, mask).liver.dice
    1.0
    """
    check_grid(predicted, reference)
    grid, script = reference.grid, None
    if as_lits_script:
        stored = [grid.to_stored(volume.voxels) for volume in (reference, predicted)]
        with enough_memory(name, grid.shape):
            script = script_case(stored[0], stored[1], grid.header.get_zooms()[:3], name)
    spacing = grid.spacing if grid.spacing_known else None
    with enough_memory(name, grid.shape):
        return score_case(reference.voxels, predicted.voxels, spacing, name, script)


def score_files(
    name: str, reference: str | Path, predicted: str | Path, as_lits_script: bool = False
) -> CaseResult:
    """`score_volumes` of two files; raises `LiverlibError` as reading them does."""
    label = read_label(reference)
    return score_volumes(name, label, read_label(predicted, like=label), as_lits_script)
