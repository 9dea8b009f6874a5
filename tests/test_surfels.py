import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.surface_distance import (
    areas,
    surface_dice,
    surfel_distances,
    surfels,
)

MASKS = hnp.arrays(bool, (6, 5, 4))
SPACINGS = st.tuples(*[st.floats(0.3, 5)] * 3)

# DeepMind's surface-distance: mean of the two average distances, surface Dice at 1 mm
GOLDEN = {
    "A": (1.5764, 0.1524),
    "B": (0.7260, 0.7892),
    "C": (1.0815, 0.4731),
    "D": (0.9366, 0.7559),
    "E": (1.5, 0.5),
    "F": (0.0093, 0.9985),
}


def averages(*pair_and_spacing) -> list[float]:
    ways = surfel_distances(*pair_and_spacing)
    return [(distance * area).sum() / area.sum() for distance, area in ways]


@pytest.mark.parametrize("case", GOLDEN)
def test_six_pairs_measure_as_in_surface_distance(shared, case):
    with np.load(shared / "surface_cases.npz") as pairs:
        masks, spacing = (pairs[f"{case}_gt"], pairs[f"{case}_pr"]), pairs[f"{case}_sp"]
    found = np.mean(averages(*masks, spacing)), surface_dice(*masks, spacing, [1])[0]
    assert found == pytest.approx(GOLDEN[case], abs=5.1e-5)


def test_two_voxels_measure_as_in_surface_distances_own_tests():
    masks = np.zeros((2, 128, 128, 128), bool)
    masks[0, 50, 60, 70] = masks[1, 50, 60, 72] = True
    assert averages(*masks, (3, 2, 1)) == pytest.approx([1.5, 1.5])
    assert max(distances.max() for distances, _ in surfel_distances(*masks, (3, 2, 1))) == 2
    assert surface_dice(*masks, (3, 2, 1), [1]) == pytest.approx([0.5])


def test_two_slabs_measure_as_in_surface_distances_own_tests():
    masks = np.zeros((2, 100, 100, 100), bool)
    masks[0, :50], masks[1, :51] = True, True
    assert averages(*masks, (2, 1, 1)) == pytest.approx([0.322, 0.339], abs=1e-3)
    ways = surfel_distances(*masks, (2, 1, 1))
    assert max(distances.max() for distances, _ in ways) == 2
    shares = [area[distances <= 1].sum() / area.sum() for distances, area in ways]
    assert shares == pytest.approx([0.842, 0.830], abs=1e-3)
    assert surface_dice(*masks, (2, 1, 1), [1])[0] == pytest.approx(0.836, abs=1e-3)


def test_a_plate_has_the_area_that_geometry_gives_it():
    plate = np.zeros((4, 300, 200), bool)
    plate[1:3] = True
    _, area = surfels(plate, (0.1, 0.7, 2))
    assert area.sum() == pytest.approx(2 * (300 * 0.7) * (200 * 2), rel=0.01)  # both sides of it


def test_blocks_without_a_border_have_no_area_and_all_others_some():
    assert (areas((1, 1, 1)) > 0).tolist() == [False] + [True] * 254 + [False]


@settings(deadline=None)
@given(MASKS, SPACINGS)
def test_inside_and_outside_have_the_same_surface(mask, spacing):
    table = areas(spacing)
    np.testing.assert_allclose(table, table[::-1])
    turned = surfels(mask.transpose(2, 0, 1)[::-1], np.array(spacing)[[2, 0, 1]])[1].sum()
    assert surfels(mask, spacing)[1].sum() == pytest.approx(turned)


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.2, 7))
def test_surface_dice_is_symmetric_and_scales_with_the_spacing(a, b, factor):
    spacing, tolerances = np.array([0.8, 0.9, 2.5]), np.array([0.77, 1.93])  # no distance is either
    agreed = surface_dice(a, b, spacing, tolerances)
    assert surface_dice(b, a, spacing, tolerances) == pytest.approx(agreed)
    scaled = surface_dice(a, b, factor * spacing, factor * tolerances)
    assert scaled == pytest.approx(agreed, abs=1e-9)
    assert 0 <= agreed[0] <= agreed[1] <= 1
    assert surface_dice(a, a, spacing, [0]) == [1]


def test_empty_masks_follow_the_rule_of_dice():
    full, empty = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    pairs = (empty, empty), (full, empty), (empty, full)
    assert [surface_dice(*pair, (1, 1, 1), [1]) for pair in pairs] == [[1], [0], [0]]


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match="own grid"):
        surface_dice(np.ones((3, 3, 3)), np.ones((3, 3, 4)), (1, 1, 1))
