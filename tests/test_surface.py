import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.case import agreement
from liverlib.evaluation.lesion_matching import found_lesions
from liverlib.evaluation.overlap import dice
from liverlib.evaluation.surface_distance import (
    surface,
    surface_dice,
    surface_distances,
    surface_score,
)
from liverlib.io.nifti import read_label

MASKS = hnp.arrays(bool, (6, 5, 4))

# Dice, then ASSD, RMSD and MSSD as LiTS defines them; then with 6-neighbour surfaces ASSD (MONAI
# symmetric, MedPy connectivity 1), HD95 and surface Dice at 1 mm (MONAI, in voxels)
GOLDEN = {
    "A": (0.7364, 1.6713, 1.7202, 2.4495, 1.8909, 2.2361, 0.0),
    "B": (0.8508, 0.8343, 1.0521, 2.0, 0.9979, 2.0, 0.5767),
    "C": (0.7833, 0.9164, 1.3571, 3.4435, 1.0011, 3.0800, 0.5506),
    "D": (0.8000, 1.4549, 2.4815, 5.0, 1.4549, 5.0, 0.6475),
    "E": (0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0),
    "F": (0.9995, 0.0071, 0.2217, 6.9282, 0.0071, 0.0, 0.9990),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_six_pairs_measure_as_in_the_libraries_of_that_definition(shared, case):
    with np.load(shared / "surface_cases.npz") as pairs:
        masks = pairs[f"{case}_gt"], pairs[f"{case}_pr"]
        spacing = pairs[f"{case}_sp"]
    lits, monai = (surface_score(*masks, spacing, connectivity=c) for c in (2, 1))
    agreed = surface_dice(*masks, spacing, tolerance=1, connectivity=1)
    found = (dice(*masks), lits.assd, lits.rmsd, lits.mssd, monai.assd, monai.hd95, agreed)
    assert found == pytest.approx(GOLDEN[case], abs=5.1e-5)


def test_detected_lesions_measure_as_in_the_triaLS_evaluation(shared):
    rows = np.mean([one for name in ("venous_0", "venous_11") for one in lesions(shared, name)], 0)
    expected = 0.8767814601809033, 0.7816992461567145, 0.5891962909208087, 0.9451723162962817
    assert rows == pytest.approx([*expected, 5.4471563162678365], abs=1e-12)


def lesions(shared, name: str) -> list:
    """Dice, IoU, ASSD, RMSD and MSSD of each lesion found at IoU > ½."""
    folder = shared / "lesion_pairs"
    reference = read_label(folder / "gt" / f"{name}.nii.gz")
    predicted = read_label(folder / "pred" / f"{name}.nii.gz", like=reference)
    measured = []
    for pair in found_lesions(reference.voxels, predicted.voxels):
        found = agreement(*pair, reference.grid.spacing)
        measured.append([found.dice, 1 - found.voe, found.assd, found.rmsd, found.mssd])
    return measured


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


@pytest.mark.parametrize("name", MONAI)
def test_balls_measure_as_in_monais_own_tests(name):
    (*balls, spacing), expected = MONAI[name]
    predicted, reference = (ball(*one, spacing) for one in balls)
    score = surface_score(reference, predicted, spacing, connectivity=1)
    _, back = surface_distances(reference, predicted, spacing, connectivity=1)
    found = score.assd, back.mean(), score.mssd, back.max(), score.hd95
    for value, golden in zip(found, expected, strict=True):
        if golden != "-":
            assert value == pytest.approx(golden, rel=1e-5)


def ball(radius: float, centre: tuple, spacing: tuple) -> np.ndarray:
    places = zip(np.ogrid[:99, :99, :99], spacing, centre, strict=True)
    return sum((place * mm - c) ** 2 for place, mm, c in places) <= radius**2


@settings(deadline=None)
@given(MASKS, st.sampled_from([1, 2]))
def test_a_surface_is_that_of_scipys_erosion(mask, connectivity):
    around = ndimage.generate_binary_structure(3, connectivity)
    expected = mask & ~ndimage.binary_erosion(mask, around)
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
    full, empty = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    one = [1, 1, 1]
    both, missed, invented = (
        list(vars(surface_score(*pair, one)).values())
        for pair in ((empty, empty), (full, empty), (empty, full))
    )
    assert np.isnan(both).all()
    assert np.isposinf(missed).all() and np.isposinf(invented).all()
    pairs = (empty, empty), (full, empty), (empty, full)
    assert [surface_dice(*pair, one) for pair in pairs] == [1, 0, 0]


def test_a_shifted_plate_lies_where_it_was_shifted_to():
    plates = np.zeros((2, 12, 6, 6), bool)
    plates[0, 2], plates[1, 7] = True, True
    score = surface_score(*plates, (0.7, 1, 1))
    assert list(vars(score).values()) == pytest.approx([3.5] * 4)
    assert surface_dice(*plates, (0.7, 1, 1), tolerance=3.4) == 0
    assert surface_dice(*plates, (0.7, 1, 1), tolerance=3.6) == 1


def test_one_stray_voxel_decides_the_largest_distance_and_not_the_95th_percentile():
    clean = np.zeros((30, 30, 30), bool)
    clean[5:20, 5:20, 5:20] = True
    stray = clean.copy()
    stray[28, 10, 10] = True
    score = surface_score(clean, stray, (1, 1, 1))
    assert (score.mssd, score.hd95) == (9, 0)


@settings(deadline=None)
@given(MASKS, MASKS, st.tuples(*[st.floats(0.3, 5)] * 3))
def test_distances_are_those_of_every_pair_of_points(a, b, spacing):
    there, back = surface_distances(a, b, spacing)
    ours, theirs = (np.argwhere(surface(one)) * spacing for one in (a, b))
    apart = np.linalg.norm(ours[:, None] - theirs, axis=-1)
    if a.any() and b.any():
        np.testing.assert_allclose(there, apart.min(1))
        np.testing.assert_allclose(back, apart.min(0))


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.2, 7))
def test_scores_are_symmetric_and_grow_with_the_spacing(a, b, factor):
    spacing = np.array([0.8, 0.9, 2.5])
    score = list(vars(surface_score(a, b, spacing)).values())
    assert list(vars(surface_score(b, a, spacing)).values()) == pytest.approx(score, nan_ok=True)
    scaled = list(vars(surface_score(a, b, factor * spacing)).values())
    assert scaled == pytest.approx(factor * np.array(score), nan_ok=True)


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match="own grid"):
        surface_score(np.ones((3, 3, 3)), np.ones((3, 3, 4)), (1, 1, 1))
