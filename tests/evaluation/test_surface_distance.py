import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import EMPTY_PAIRS, MASKS, SPACING, TRIALS_LESIONS, TRIALS_NAMES, trials_pair
from scipy import ndimage

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.case import compare_masks
from liverlib.evaluation.lesion_matching import match_lesions
from liverlib.evaluation.overlap import dice
from liverlib.evaluation.surface_distance import (
    areas,
    surface,
    surface_dice,
    surface_distances,
    surface_score,
    surfel_distances,
    surfels,
)

SPACINGS = st.tuples(*[st.floats(0.3, 5)] * 3)


def published(shared, case: str) -> tuple:
    """Reference, prediction and spacing of a pair that other libraries have measured."""
    with np.load(shared / "surface_cases.npz") as pairs:
        return tuple(pairs[f"{case}_{part}"] for part in ("gt", "pr", "sp"))


# --- distances between voxels --------------------------------------------------------------------

# Dice, then ASSD, RMSD and MSSD as LiTS defines them; then with 6-neighbour surfaces ASSD (MONAI
# symmetric, MedPy connectivity 1) and HD95
DISTANCES = {
    "A": (0.7364, 1.6713, 1.7202, 2.4495, 1.8909, 2.2361),
    "B": (0.8508, 0.8343, 1.0521, 2.0, 0.9979, 2.0),
    "C": (0.7833, 0.9164, 1.3571, 3.4435, 1.0011, 3.0800),
    "D": (0.8000, 1.4549, 2.4815, 5.0, 1.4549, 5.0),
    "E": (0.0, 2.0, 2.0, 2.0, 2.0, 2.0),
    "F": (0.9995, 0.0071, 0.2217, 6.9282, 0.0071, 0.0),
}


@pytest.mark.parametrize("case", DISTANCES)
def test_six_pairs_measure_as_in_the_libraries_of_that_definition(shared, case):
    *masks, spacing = published(shared, case)
    lits, monai = (surface_score(*masks, spacing, connectivity=c) for c in (2, 1))
    measured = dice(*masks), lits.assd, lits.rmsd, lits.mssd, monai.assd, monai.hd95
    assert measured == pytest.approx(DISTANCES[case], abs=5.1e-5)


def test_detected_lesions_measure_as_in_the_trials_evaluation(shared):
    lesions = []
    for name in TRIALS_NAMES:
        reference, predicted = trials_pair(shared, name)
        pairs = match_lesions(reference.voxels, predicted.voxels).pairs(above=0.5)
        lesions += [compare_masks(*pair, reference.grid.spacing) for pair in pairs]
    for name, expected in TRIALS_LESIONS.items():
        mean = np.mean([getattr(lesion, name.lower()) for lesion in lesions])
        assert mean == pytest.approx(expected, abs=1e-12)


TURNED = (0.85, 1.2, 0.9)
MONAI = {  # its own tests' values: ASSD, one-way mean, HD, one-way HD, HD95; "-": it has none
    "shifted by a voxel": (
        ((33, (19, 33, 22)), (33, (20, 33, 22)), (1, 1, 1)),
        (0.350217, 0.3483278807706289, 1, 1, "-"),
    ),
    "shifted along the diagonal": (
        ((20, (20, 20, 20)), (20, (19, 19, 19)), (1, 1, 1)),
        ("-", "-", 1.7320508075688772, 1.7320508075688772, "-"),
    ),
    "one in the other": (
        ((20, (20, 33, 22)), (40, (20, 33, 22)), (1, 1, 1)),
        (15.117741, 12.040033513150455, 20.223748416156685, 20.09975124224178, 20.09975124224178),
    ),
    "with a spacing": (
        ((33, (42, 45, 52)), (33, (43, 45, 52)), TURNED),
        (0.4951, 0.4951, "-", "-", "-"),
    ),
    "with a spacing, along the diagonal": (
        ((20, (20, 20, 20)), (20, (19, 19, 19)), TURNED),
        ("-", "-", 2.2671568, 2.0808651447296143, "-"),
    ),
}


def ball(radius: float, centre: tuple, spacing: tuple) -> np.ndarray:
    axes = zip(np.ogrid[:99, :99, :99], spacing, centre, strict=True)
    return sum((axis * mm - c) ** 2 for axis, mm, c in axes) <= radius**2


@pytest.mark.parametrize("name", MONAI)
def test_balls_measure_as_in_monais_own_tests(name):
    (*balls, spacing), expected = MONAI[name]
    predicted, reference = (ball(*shape, spacing) for shape in balls)
    score = surface_score(reference, predicted, spacing, connectivity=1)
    _, back = surface_distances(reference, predicted, spacing, connectivity=1)
    measured = score.assd, back.mean(), score.mssd, back.max(), score.hd95
    for value, golden in zip(measured, expected, strict=True):
        if golden != "-":
            assert value == pytest.approx(golden, rel=1e-5)


@settings(deadline=None)
@given(MASKS, st.sampled_from([1, 2]))
def test_a_surface_is_that_of_scipys_erosion(mask, connectivity):
    neighbours = ndimage.generate_binary_structure(3, connectivity)
    expected = mask & ~ndimage.binary_erosion(mask, neighbours)
    assert (surface(mask, connectivity) == expected).all()


def test_a_surface_is_what_an_erosion_takes_off():
    cube = np.zeros((9, 9, 9), bool)
    cube[2:7, 2:7, 2:7] = True
    assert surface(cube).sum() == 5**3 - 3**3
    assert surface(np.ones((3, 3, 3), bool)).sum() == 26  # beyond the array there is background
    notched = cube.copy()
    notched[2, 2, :] = False  # the edge between two faces: seen with 18 neighbours, not with 6
    assert surface(notched)[3, 3, 4]
    assert not surface(notched, connectivity=1)[3, 3, 4]


def test_empty_masks_have_no_distance_or_an_infinite_one():
    both, missing, invented = (
        list(vars(surface_score(*pair, (1, 1, 1))).values()) for pair in EMPTY_PAIRS
    )
    assert np.isnan(both).all()
    assert np.isposinf(missing).all() and np.isposinf(invented).all()


def test_a_shifted_plate_is_as_far_away_as_it_was_shifted():
    plates = np.zeros((2, 12, 6, 6), bool)
    plates[0, 2], plates[1, 7] = True, True
    score = surface_score(*plates, (0.7, 1, 1))
    assert list(vars(score).values()) == pytest.approx([3.5] * 4)
    # by area the nearer of its two sides counts, a voxel nearer
    assert surface_dice(*plates, (0.7, 1, 1), [2.7, 3.6]) == [0, 1]


def test_a_single_stray_voxel_decides_the_largest_distance_and_not_the_95th_percentile():
    clean = np.zeros((30, 30, 30), bool)
    clean[5:20, 5:20, 5:20] = True
    stray = clean.copy()
    stray[28, 10, 10] = True
    score = surface_score(clean, stray, (1, 1, 1))
    assert (score.mssd, score.hd95) == (9, 0)


@settings(deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_distances_are_those_of_every_pair_of_points(a, b, spacing):
    forth, back = surface_distances(a, b, spacing)
    points, others = (np.argwhere(surface(mask)) * spacing for mask in (a, b))
    distances = np.linalg.norm(points[:, None] - others, axis=-1)
    if a.any() and b.any():
        np.testing.assert_allclose(forth, distances.min(1))
        np.testing.assert_allclose(back, distances.min(0))


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.2, 7))
def test_scores_are_symmetric_and_grow_with_the_spacing(a, b, factor):
    score = list(vars(surface_score(a, b, SPACING)).values())
    assert list(vars(surface_score(b, a, SPACING)).values()) == pytest.approx(score, nan_ok=True)
    scaled = list(vars(surface_score(a, b, factor * SPACING)).values())
    assert scaled == pytest.approx(factor * np.array(score), nan_ok=True)


# --- elements of area ----------------------------------------------------------------------------

# DeepMind's surface-distance: mean of the two average distances, surface Dice at 1 mm
BY_AREA = {
    "A": (1.5764, 0.1524),
    "B": (0.7260, 0.7892),
    "C": (1.0815, 0.4731),
    "D": (0.9366, 0.7559),
    "E": (1.5, 0.5),
    "F": (0.0093, 0.9985),
}


def averages(*masks_and_spacing) -> list[float]:
    directions = surfel_distances(*masks_and_spacing)
    return [(distance * area).sum() / area.sum() for distance, area in directions]


@pytest.mark.parametrize("case", BY_AREA)
def test_six_pairs_measure_as_in_surface_distance(shared, case):
    *masks, spacing = published(shared, case)
    measured = np.mean(averages(*masks, spacing)), surface_dice(*masks, spacing, [1])[0]
    assert measured == pytest.approx(BY_AREA[case], abs=5.1e-5)


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
    directions = surfel_distances(*masks, (2, 1, 1))
    assert max(distances.max() for distances, _ in directions) == 2
    within = [area[distances <= 1].sum() / area.sum() for distances, area in directions]
    assert within == pytest.approx([0.842, 0.830], abs=1e-3)
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
    tolerances = np.array([0.77, 1.93])  # no distance is either
    agreed = surface_dice(a, b, SPACING, tolerances)
    assert surface_dice(b, a, SPACING, tolerances) == pytest.approx(agreed)
    scaled = surface_dice(a, b, factor * SPACING, factor * tolerances)
    assert scaled == pytest.approx(agreed, abs=1e-9)
    assert 0 <= agreed[0] <= agreed[1] <= 1
    assert surface_dice(a, a, SPACING, [0]) == [1]


@settings(deadline=None)
@given(MASKS, MASKS, st.sampled_from([0, 1, 2, 3.5]))
def test_what_lies_beyond_every_tolerance_need_not_be_looked_up(a, b, tolerance):
    directions = surfel_distances(a, b, SPACING)
    bounded = surfel_distances(a, b, SPACING, within=tolerance + 1e-6)
    for (distances, area), (near, same_area) in zip(directions, bounded, strict=True):
        np.testing.assert_array_equal(near, np.where(distances <= tolerance, distances, np.inf))
        np.testing.assert_array_equal(area, same_area)
    areas = np.concatenate([area for _, area in directions])
    close = np.concatenate([distances for distances, _ in directions]) <= tolerance
    expected = areas[close].sum() / areas.sum() if areas.size else 1
    assert surface_dice(a, b, SPACING, [0, tolerance])[1] == pytest.approx(expected)


def test_surface_dice_of_empty_masks_follows_the_rule_of_dice():
    assert [surface_dice(*pair, (1, 1, 1), [1]) for pair in EMPTY_PAIRS] == [[1], [0], [0]]


@pytest.mark.parametrize("measure", [surface_score, surface_dice])
def test_masks_of_different_shapes_are_refused(measure):
    with pytest.raises(LiverlibError, match="own grid"):
        measure(np.ones((3, 3, 3)), np.ones((3, 3, 4)), (1, 1, 1))
