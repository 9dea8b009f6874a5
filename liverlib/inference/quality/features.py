"""What tells how good a mask is without its reference: how sure and how much at one the stages are.

Most features are quotients from 0 to 1 of the small cubes. They enter as `from_dice` of them: the
larger, the better, and the more finely told the nearer to 1. What shifting the cubes changes tells
nothing beyond them (`benchmarks/weights/quality.py`).
"""

from collections.abc import Sequence

import numpy as np

from liverlib.core.arrays import ratio
from liverlib.evaluation.lesion_table import MeasuredLesion
from liverlib.evaluation.overlap import dice
from liverlib.preprocessing.resample import resampled

from ..stage_output import StageOutput
from .calibration import from_dice

Features = dict[str, float]
BLOCK = 64  # edge of the cube in which two stages are compared


def liver_features(stages: Sequence[StageOutput]) -> Features:
    """Of the liver of a prediction; NaN is what is not known."""
    coarse, last = stages[0], stages[-1]
    return {
        "expected Dice": from_dice(expected_dice(last.mean[0])),
        "expected Dice of the coarse stage": from_dice(expected_dice(coarse.mean[0])),
        "agreement of the stages": from_dice(_agreement(coarse, last)),
        "share of the largest piece": from_dice(_share(last)),
        "deviation of grey values": float(last.cube.image[last.kept[0] >= 0.5].std() / 255),
    }


def lesion_features(lesion: MeasuredLesion, stage: StageOutput) -> Features:
    """Of a lesion of the mask; NaN where the spacing is unknown."""
    probability = float(np.clip(lesion.probability, 0.01, 0.99))
    known = lesion.ml == lesion.ml
    return {
        "logit of the mean probability": float(np.log(probability / (1 - probability))),
        "log of the volume": float(np.log(max(lesion.ml, 0.01))) if known else np.nan,
        "cm to the surface": min(lesion.to_surface_mm, 30.0) / 10,
        "at the surface": float(lesion.to_surface_mm < 3) if known else np.nan,
        "HU above the liver": lesion.mean_hu - stage.level,
        "HU apart from the liver": abs(lesion.mean_hu - stage.level),
        "expected Dice of all tumours": from_dice(expected_dice(stage.mean[1])),
    }


def expected_dice(probabilities: np.ndarray) -> float:
    """The Dice that the mask of p ≥ ½ has, if the probabilities are right: 2 Σpm / (Σp + Σm)."""
    mask = probabilities >= 0.5
    return ratio(2 * float(probabilities[mask].sum()), float(probabilities.sum() + mask.sum()))


def _agreement(coarse: StageOutput, last: StageOutput) -> float:
    """Dice of the two stages' livers in the box of the last; 1 where there is one stage."""
    if coarse is last:
        return 1.0
    masks = []
    for stage in (coarse, last):
        sides = zip(last.cube.box, stage.cube.box, stage.cube.image.shape, strict=True)
        part = []
        for side, whole, n in sides:
            scale = n / (whole.stop - whole.start)
            part.append(((side.start - whole.start) * scale, (side.stop - whole.start) * scale))
        slabs = resampled(stage.kept[0], part, (BLOCK,) * 3)
        masks.append(np.concatenate(list(slabs), axis=2) >= 0.5)
    return dice(*masks)


def _share(stage: StageOutput) -> float:
    """The part of what is called liver that post-processing kept."""
    return ratio(float((stage.kept[0] >= 0.5).sum()), float((stage.mean[0] >= 0.5).sum()))
