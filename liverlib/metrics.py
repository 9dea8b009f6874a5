"""How good a mask is: Dice, millilitres, lesions found, missed and false, and how sure that is.

Arrays in, numbers out. The definitions are those of LiTS (Bilic et al. 2023): liver is every
class from 1 up, tumour is class 2, a lesion is a component under 6 neighbours. Where the official
scorer is known to err (empty references, the order of labels, negative counts), the definition
is kept and the error is not. Scores belong on the scan's own grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liverlib.detection import (
    SIZES,
    Detection,
    count,
    count_by_size,
    crop_to_content,
    lesion_overlaps,
    match,
    pool,
    ratio,
    voxel_ml,
)
from liverlib.detection import components as components  # part of this room's vocabulary


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
    touched: Detection  # lesions that overlap at all
    detected: Detection  # lesions whose IoU is above one half
    by_size: dict[str, Detection]  # `detected`, by equivalent diameter


@dataclass(frozen=True)
class Mean:
    """The mean of a score over `n` cases, and the interval that it lies in 95 times of 100."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Summary:
    """Scores of many cases; `dataclasses.asdict` makes it fit for JSON."""

    cases: int
    liver_dice: Mean
    tumour_dice: Mean  # over the cases with a tumour: neither rewarded nor punished by empty ones
    tumour_dice_lits: Mean  # over all cases, 1 where both are empty, 0 for any false tumour
    tumour_free: int  # cases whose reference has no tumour
    tumour_free_with_false: int  # … in which some tumour was drawn
    false_tumour_ml: float  # … and how much, in ml on average, where spacing is known
    touched: Detection  # pooled over all cases, as LiTS does
    detected: Detection
    by_size: dict[str, Detection]


def dice(reference: np.ndarray, predicted: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|) of two masks; 1 where both are empty, 0 where one is (LiTS).

    Whatever is not 0 belongs to a mask: two labels give the Dice of liver and tumour together.
    """
    reference, predicted = crop_to_content(reference, predicted)
    both = np.count_nonzero(reference) + np.count_nonzero(predicted)
    shared = np.count_nonzero(np.logical_and(reference, predicted))
    return float(2 * shared / both) if both else 1.0


def volume_ml(mask: np.ndarray, spacing: Sequence[float] | None) -> float:
    """Millilitres of a mask whose voxels measure `spacing` mm; NaN where that is unknown."""
    return float(np.count_nonzero(mask) * voxel_ml(spacing))


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


def bootstrap_interval(
    values: Sequence[float],
    wholes: Sequence[float] | None = None,
    seed: int = 0,
    n: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Where the mean of such values lies: percentiles of the means of `n` resamples.

    With `wholes`, where the quotient of the sums lies: recall, say, is the found of all cases by
    the lesions of all, and what is drawn anew are the cases. Equal values and seed give equal
    bounds; no values give NaN. With few cases it is too narrow.
    """
    values = np.asarray(values, float)
    wholes = np.ones(values.size) if wholes is None else np.asarray(wholes, float)
    if not wholes.sum():
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(values.size, size=(n, values.size))
    parts, wholes = values[drawn].sum(1), wholes[drawn].sum(1)
    quotients = parts[wholes > 0] / wholes[wholes > 0]  # a draw without lesions says nothing
    low, high = np.quantile(quotients, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarise(scores: Sequence[CaseScore]) -> Summary:
    """Means over cases with their intervals; cases without a tumour are counted apart."""
    free = [one for one in scores if not one.has_tumour]
    known = [one.false_tumour_ml for one in free if not np.isnan(one.false_tumour_ml)]
    return Summary(
        cases=len(scores),
        liver_dice=_mean([one.liver_dice for one in scores]),
        tumour_dice=_mean([one.tumour_dice for one in scores if one.has_tumour]),
        tumour_dice_lits=_mean([one.tumour_dice for one in scores]),
        tumour_free=len(free),
        tumour_free_with_false=sum(one.false_tumour_voxels > 0 for one in free),
        false_tumour_ml=_mean(known).mean,
        touched=pool(one.touched for one in scores),
        detected=pool(one.detected for one in scores),
        by_size={size: pool(one.by_size[size] for one in scores if one.by_size) for size in SIZES},
    )


def _mean(values: Sequence[float]) -> Mean:
    mean = float(np.mean(values)) if len(values) else np.nan
    return Mean(mean, *bootstrap_interval(values), len(values))
