"""Livers that cannot be one are noticed; small parts of one are not."""

import numpy as np
import pytest
from stages import stage_output

from liverlib.core.verdict import AS_EXPECTED, LOOK_CLOSELY, NOT_TO_BE_USED
from liverlib.inference.quality.liver import CoarseLiver, check_liver
from liverlib.io.volume import Grid
from liverlib.preprocessing.cube import Cube

SIZE, WINDOW = 40, (-60.0, 200.0)


def liver(low=(20, 12, 12), high=(36, 28, 26), spacing=(10, 10, 10), p=0.97, hu=100) -> CoarseLiver:
    """A cuboid of a liver in a cube of `SIZE`³ voxels."""
    probabilities = np.zeros((1, 2, SIZE, SIZE, SIZE), np.float32)
    box = tuple(slice(*edges) for edges in zip(low, high, strict=True))
    probabilities[(0, 0, *box)] = p
    image = np.full((SIZE,) * 3, round((hu - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) * 255), np.uint8)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = 5
    grid = Grid.of((SIZE,) * 3, affine)
    cube = Cube(image, None, (slice(0, SIZE),) * 3, grid.shape)
    return CoarseLiver(stage_output(cube, probabilities, grid), grid, WINDOW)


def found(**changes) -> list[tuple[str, str]]:
    return [(reason.cause, reason.verdict) for reason in check_liver(liver(**changes))]


def test_it_is_measured_by_the_header():
    measured = liver()
    np.testing.assert_allclose(measured.extents, (160, 160, 140), atol=1e-6)
    assert measured.ml == pytest.approx(16 * 16 * 14)
    assert measured.ends == [(False, False)] * 3
    assert measured.hu == pytest.approx(100, abs=1)


def test_a_usual_liver_gives_no_reason():
    assert found() == []


@pytest.mark.parametrize(("low", "high", "end"), [(0, 14, "lower"), (26, 40, "upper")])
def test_one_that_the_scan_cuts_is_noted_and_as_expected(low, high, end):
    (note,) = check_liver(liver(low=(20, 12, low), high=(36, 28, high)))
    assert (note.cause, note.verdict) == ("partial", AS_EXPECTED)
    assert f"{end} end" in note.text and "lower bounds" in note.text


def test_a_liver_that_the_scan_cuts_at_the_side_may_look_too_high_for_its_width():
    part = {"low": (30, 12, 8), "high": (40, 28, 30)}
    assert found(**part) == [("partial", AS_EXPECTED)]
    assert ("spacing", LOOK_CLOSELY) in found(low=(25, 12, 8), high=(35, 28, 30))


def test_the_tip_of_a_liver_may_be_narrow_and_a_whole_liver_may_not():
    assert found(low=(28, 12, 36), high=(35, 24, 40)) == [("partial", AS_EXPECTED)]
    assert ("spacing", LOOK_CLOSELY) in found(low=(28, 12, 20), high=(35, 24, 34))


@pytest.mark.parametrize(
    "spacing", [(10, 10, 20), (10, 10, 5), (20, 20, 10), (5, 5, 10), (20, 20, 20), (5, 5, 5)]
)
def test_a_wrong_voxel_size_shows_in_the_livers_size(spacing):
    assert ("spacing", LOOK_CLOSELY) in found(spacing=spacing)


@pytest.mark.parametrize("changes", [{"p": 0.0}, {"p": 0.6}, {"high": (23, 15, 16)}])
def test_without_a_liver_the_mask_is_not_to_be_used(changes):
    assert found(**changes) == [("liver", NOT_TO_BE_USED)]


def test_another_organs_grey_values_want_a_look():
    assert ("liver", LOOK_CLOSELY) in found(hu=-40)
