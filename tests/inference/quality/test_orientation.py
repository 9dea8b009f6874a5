"""A scan that is turned is noticed and named; one that is not, is not."""

import numpy as np
import pytest
from wrong_inputs import KINDS

from liverlib.core.verdict import NOT_TO_BE_USED
from liverlib.inference.quality.geometry import Sample
from liverlib.inference.quality.orientation import (
    check_orientation,
    lungs_at_top,
    spine_at_back,
    sure_liver,
)

SIZE = 20


def found(**found_when: float):
    """A stage that finds such found_when of liver where these axes are reversed, else 2 %."""

    def predict(axes):
        name = "".join("xyz"[axis] for axis in axes) or "as_it_is"
        probabilities = np.zeros((2, SIZE, SIZE, SIZE), np.float32)
        probabilities[0].ravel()[: round(found_when.get(name, 0.02) * SIZE**3)] = 1
        return probabilities

    return predict


def turned(scan, kind):
    return Sample.of(KINDS[kind].spoil(scan, None))


def test_spine_and_lungs_tell_front_from_back_and_up_from_down(phantoms, real_scans):
    scans = [scan for scan, _ in phantoms] + real_scans
    for scan in scans:
        assert spine_at_back(Sample.of(scan)) is not False
        assert lungs_at_top(Sample.of(scan)) is not False
    told = [spine_at_back(turned(scan, "front and back exchanged")) for scan in scans]
    assert told.count(False) >= 14 and True not in told
    told = [lungs_at_top(turned(scan, "upside down")) for scan in scans]
    assert told.count(False) >= 10 and True not in told


@pytest.mark.parametrize(
    ("found_when", "name"),
    [
        ({"x": 0.06}, "mirrored left–right"),
        ({"xz": 0.06, "z": 0.03}, "upside down and mirrored"),
        ({"z": 0.08}, "upside down"),
    ],
)
def test_what_shows_more_of_a_liver_is_named(found_when, name, phantoms):
    (reason,) = check_orientation(Sample.of(phantoms[0][0]), found(**found_when))
    assert name in reason.text and "affine" in reason.text
    assert reason.verdict == NOT_TO_BE_USED


@pytest.mark.parametrize("found_when", [{}, {"x": 0.022}, {"z": 0.022}])
def test_a_little_more_names_nothing(found_when, phantoms):
    assert check_orientation(Sample.of(phantoms[0][0]), found(**found_when)) == []


def test_without_a_liver_in_any_direction_nothing_is_named(phantoms):
    nothing = dict.fromkeys(("as_it_is", "x", "z", "xz"), 0.001) | {"x": 0.005}
    assert check_orientation(Sample.of(phantoms[0][0]), found(**nothing)) == []


def test_sure_liver_is_a_share_of_the_cube_and_of_what_may_be_liver():
    probabilities = np.zeros((2, 10, 10, 10))
    probabilities[0, :5], probabilities[0, :2] = 0.5, 0.95
    assert sure_liver(probabilities) == pytest.approx((0.2, 0.4))
