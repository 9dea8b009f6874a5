"""One case scored: how its liver, its tumour and its lesions agree with the reference.

Arrays in, numbers out. The definitions are those of LiTS (Bilic et al. 2023): liver is every
class from 1 up, tumour is class 2, a lesion is a component under 6 neighbours. Where the official
scorer is known to err (empty references, the order of labels, negative counts), the definition
is kept and the error is not. Scores belong on the scan's own grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from liverlib.core.arrays import crop_to_content, ratio
from liverlib.io.nifti import read_label

from .lesion_matching import (
    LesionCounts,
    count,
    count_by_size,
    found_lesions,
    lesion_overlaps,
    match,
)
from .lits_script import ScriptCase, script_case
from .overlap import dice, volume_ml, voxel_ml
from .surface_distance import SurfaceScore, surface_dice, surface_score


@dataclass(frozen=True)
class CaseScore:
    """One mask against its reference; `dataclasses.asdict` makes it fit for JSON.

    Dice of two empty masks is 1, of one empty mask 0 (LiTS). Millilitres are NaN, and `by_size`
    is empty, where the spacing is unknown. False tumour is tumour drawn where the reference has
    none at all; it is 0 where the reference has some.
    """

    liver_dice: float
    tumour_dice: float
    has_tumour: bool  # in the reference
    false_tumour_voxels: int
    false_tumour_ml: float
    liver_ml: float  # of the reference, tumours included
    predicted_liver_ml: float
    tumour_ml: float
    predicted_tumour_ml: float
    burden: float  # tumour / liver, in voxels; NaN without a liver
    predicted_burden: float
    touched: LesionCounts  # lesions that overlap at all
    detected: LesionCounts  # lesions whose IoU is above one half
    by_size: dict[str, LesionCounts]  # `detected`, by equivalent diameter


def score_case(
    reference: np.ndarray, predicted: np.ndarray, spacing: Sequence[float] | None = None
) -> CaseScore:
    """Scores one mask of classes (X, Y, Z) against its reference on the same grid.

    `spacing` is in mm, None where it is not known. Raises `LiverlibError` for unequal shapes.
    """
    reference, predicted = crop_to_content(reference, predicted)
    tumour, their_tumour = reference == 2, predicted == 2
    iou, ours, theirs = lesion_overlaps(tumour, their_tumour)
    pairs, ml, drawn = match(iou, above=0.5), voxel_ml(spacing), int(theirs.sum())
    false = 0 if ours.size else drawn
    return CaseScore(
        liver_dice=dice(reference, predicted),
        tumour_dice=dice(tumour, their_tumour),
        has_tumour=bool(ours.size),
        false_tumour_voxels=false,
        false_tumour_ml=false * ml,
        liver_ml=volume_ml(reference, spacing),
        predicted_liver_ml=volume_ml(predicted, spacing),
        tumour_ml=int(ours.sum()) * ml,
        predicted_tumour_ml=drawn * ml,
        burden=ratio(ours.sum(), np.count_nonzero(reference)),
        predicted_burden=ratio(drawn, np.count_nonzero(predicted)),
        touched=count(match(iou, above=0), ours.size, theirs.size),
        detected=count(pairs, ours.size, theirs.size),
        by_size={} if spacing is None else count_by_size(pairs, ours, theirs, spacing),
    )


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
        within = surface_dice(reference, predicted, spacing, (1, 2))
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


@dataclass(frozen=True)
class CaseEvaluation:
    """One mask against its reference. `lesions` are those found at an overlap above one half."""

    name: str
    score: CaseScore
    liver: Agreement
    tumour: Agreement
    lesions: list[Agreement]
    spacing_known: bool
    lits_script: ScriptCase | None = None


def evaluate_case(
    name: str, reference: str | Path, predicted: str | Path, as_lits_script: bool = False
) -> CaseEvaluation:
    """Scores one file against another on the same grid; raises `LiverlibError` as reading does."""
    ours = read_label(reference)
    theirs = read_label(predicted, like=ours)
    grid, known = ours.grid, bool(ours.grid.spacing_known)
    spacing = grid.spacing if known else None
    pair = crop_to_content(ours.voxels, theirs.voxels)
    tumours = [one == 2 for one in pair]
    script = None
    if as_lits_script:
        stored = (grid.to_stored(one.voxels) for one in (ours, theirs))
        script = script_case(*stored, grid.header.get_zooms()[:3])
    return CaseEvaluation(
        name,
        score_case(*pair, spacing),
        agreement(*pair, spacing),
        agreement(*tumours, spacing),
        [agreement(*masks, spacing) for masks in found_lesions(*tumours)],
        known,
        script,
    )
