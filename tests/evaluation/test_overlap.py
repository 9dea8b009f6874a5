import numpy as np
import pytest
from hypothesis import given, settings
from masks import EMPTY_PAIRS, MASKS

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.overlap import dice, volume_ml


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_is_symmetric_and_between_0_and_1(a, b):
    assert dice(a, b) == dice(b, a)
    assert 0 <= dice(a, b) <= 1
    assert dice(a, a) == 1


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_follows_its_formula(a, b):
    if a.any() or b.any():
        assert dice(a, b) == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_dice_of_empty_masks_is_that_of_lits():
    assert [dice(*pair) for pair in EMPTY_PAIRS] == [1, 0, 0]


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match=r"\(3, 3, 3\) and \(3, 3, 4\).*own grid"):
        dice(np.ones((3, 3, 3)), np.ones((3, 3, 4)))


def test_millilitres_come_from_the_spacing_and_are_unknown_without_it():
    mask = np.ones((10, 10, 10), bool)
    assert volume_ml(mask, (1, 1, 1)) == pytest.approx(1.0)
    assert volume_ml(mask, (0.5, 2, 3)) == pytest.approx(3.0)
    assert np.isnan(volume_ml(mask, None))
