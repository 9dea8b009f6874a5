"""What stages show of their own quality, on probabilities that can be counted."""

from dataclasses import replace

import numpy as np
import pytest
from stages import stage_output

from liverlib.evaluation.lesion_table import MeasuredLesion
from liverlib.inference.quality.features import expected_dice, lesion_features, liver_features
from liverlib.io.volume import Grid
from liverlib.preprocessing.cube import Cube

SIZE = 32


def stage(p: float, box=(slice(8, 24),) * 3):
    """A stage that gives a cuboid this probability."""
    probabilities = np.zeros((1, 2, SIZE, SIZE, SIZE), np.float32)
    probabilities[(0, 0, *box)] = p
    grid = Grid.of((SIZE,) * 3, np.diag([4.0, 4, 4, 1]))
    cube = Cube(np.full((SIZE,) * 3, 90, np.uint8), None, (slice(0, SIZE),) * 3, grid.shape)
    return stage_output(cube, probabilities, grid)


def test_expected_dice_is_that_of_probabilities_that_are_right():
    """Of a hundred voxels with p = 0.8, 80 are right: Dice 2 · 80 / (80 + 100)."""
    assert expected_dice(np.full(100, 0.8)) == pytest.approx(160 / 180)
    assert expected_dice(np.ones(10)) == 1
    assert np.isnan(expected_dice(np.zeros(10)))


def test_sure_stages_that_agree_lose_nothing():
    certain, unsure = liver_features([stage(1), stage(1)]), liver_features([stage(0.7), stage(0.7)])
    for name in certain:
        if name.startswith("expected"):
            assert certain[name] > unsure[name]
    assert certain["agreement of the stages"] == unsure["agreement of the stages"]


def test_stages_that_disagree_are_told():
    moved = (slice(14, 30), slice(8, 24), slice(8, 24))
    distant = liver_features([stage(1), stage(1, moved)])["agreement of the stages"]
    assert distant == pytest.approx(-np.log(1 - 10 / 16), rel=0.05)


def test_a_lesions_contrast_is_counted_from_the_livers_level():
    lesion = MeasuredLesion(1, 9, 1.0, 9.0, 9.0, 60.0, (0.0, 0.0, 0.0), 5.0, 0.9)
    features = lesion_features(lesion, replace(stage(1), level=95.0))
    assert features["HU above the liver"] == -35 and features["HU apart from the liver"] == 35


def test_a_lesions_features_are_unknown_where_its_size_is():
    nan = np.nan
    lesion = MeasuredLesion(1, 9, nan, nan, nan, 60.0, (nan, nan, nan), nan, 0.9)
    features = lesion_features(lesion, stage(1))
    assert np.isnan(features["log of the volume"]) and np.isnan(features["at the surface"])
    assert features["logit of the mean probability"] == pytest.approx(np.log(9))
