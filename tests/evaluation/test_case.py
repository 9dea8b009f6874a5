from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import CUBOID, EMPTY_PAIRS, FULL, MASKS, SPACING, cuboids, trials_pair
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.case import compare_masks, score_case, score_files, score_volumes
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid, Volume

# --- an object -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(MASKS, MASKS)
def test_swapping_the_masks_changes_only_what_should(a, b):
    forth, back = (asdict(compare_masks(*pair, SPACING)) for pair in ((a, b), (b, a)))
    swapped = {
        "reference_voxels": "predicted_voxels", "reference_ml": "predicted_ml",
    }  # fmt: skip
    for name in set(forth) - {*swapped, *swapped.values(), "rvd"}:
        assert back[name] == pytest.approx(forth[name], nan_ok=True)
    for name, other in swapped.items():
        assert (back[name], back[other]) == (forth[other], forth[name])
    if a.any() and b.any():
        assert (1 + forth["rvd"]) * (1 + back["rvd"]) == pytest.approx(1)


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.2, 7))
def test_scaling_the_spacing_scales_every_distance_and_nothing_else(a, b, factor):
    result, scaled = (compare_masks(a, b, spacing) for spacing in (SPACING, factor * SPACING))
    for name in ("assd", "rmsd", "mssd", "hd95"):
        expected = factor * getattr(result, name)
        assert getattr(scaled, name) == pytest.approx(expected, nan_ok=True)
    for name in ("dice", "voe", "rvd", "shared_voxels"):
        assert getattr(scaled, name) == pytest.approx(getattr(result, name), nan_ok=True)
    assert scaled.reference_ml == pytest.approx(factor**3 * result.reference_ml)


@settings(deadline=None)
@given(MASKS, MASKS)
def test_overlap_error_follows_from_dice(a, b):
    result = compare_masks(a, b)
    assert 1 - result.voe == pytest.approx(result.dice / (2 - result.dice))
    assert result.shared_voxels == (a & b).sum()


def test_too_much_is_a_positive_volume_difference():
    small, large = np.zeros((2, 10, 10, 10), bool)
    small[2:4, 2:4, 2:4], large[2:5, 2:4, 2:4] = True, True
    assert compare_masks(small, large, SPACING).rvd == pytest.approx(0.5)
    assert compare_masks(large, small, SPACING).rvd == pytest.approx(-1 / 3)


def test_empty_masks_have_overlap_and_no_distance():
    both, missing, invented = results = [compare_masks(*pair, SPACING) for pair in EMPTY_PAIRS]
    assert [result.dice for result in results] == [1, 0, 0]
    assert [result.voe for result in results] == [0, 1, 1]
    assert [result.surface_dice_1 for result in results] == [1, 0, 0]
    assert np.isnan([[result.assd, result.hd95] for result in results]).all()
    assert missing.rvd == -1
    assert np.isnan([both.rvd, invented.rvd]).all()


def test_without_spacing_no_millimetre_and_no_millilitre_is_known():
    result = asdict(compare_masks(FULL, FULL))
    assert {name for name, value in result.items() if value != value} == {
        "assd", "rmsd", "mssd", "hd95", "surface_dice_1", "surface_dice_2",
        "reference_ml", "predicted_ml",
    }  # fmt: skip


def test_masks_of_different_shapes_are_refused():
    for score in (score_case, compare_masks):
        with pytest.raises(LiverlibError, match="own grid"):
            score(np.ones((3, 3, 3)), np.ones((3, 3)))


# --- a case --------------------------------------------------------------------------------------


def test_liver_is_liver_and_tumour_together():
    reference, predicted = np.ones((4, 4, 4), np.uint8), np.ones((4, 4, 4), np.uint8)
    reference[:2], predicted[2:] = 2, 2
    case = score_case(reference, predicted, (10, 10, 10), "a")
    assert (case.name, case.liver.dice, case.tumour.dice) == ("a", 1, 0)
    assert (case.liver.reference_ml, case.tumour.reference_ml) == (64, 32)
    assert case.tumour.predicted_ml == 32
    assert (case.burden, case.predicted_burden) == (0.5, 0.5)


def test_tumour_predicted_where_the_reference_has_none_is_measured():
    free = np.ones((4, 4, 4), np.uint8)
    predicted = free.copy()
    predicted[0, 0, :3] = 2
    case = score_case(free, predicted, (10, 10, 10))
    assert (case.tumour.dice, case.has_tumour) == (0, False)
    assert (case.tumour.predicted_voxels, case.false_tumour_ml) == (3, 3)
    assert score_case(free, free).tumour.dice == 1
    assert score_case(predicted, free, (10, 10, 10)).false_tumour_ml == 0


def test_without_spacing_no_size_is_known_and_lesions_are_counted_all_the_same():
    case = score_case(cuboids(CUBOID), cuboids(CUBOID))
    assert not case.spacing_known
    assert np.isnan([case.liver.reference_ml, case.tumour.predicted_ml]).all()
    assert np.isnan(score_case(cuboids(), cuboids(CUBOID)).false_tumour_ml)
    assert case.by_size == {}
    assert (case.tumour.dice, case.iou_50.tp) == (1, 1)


def test_empty_label_and_empty_mask_can_be_scored():
    nothing = np.zeros((3, 3, 3), np.uint8)
    case = score_case(nothing, nothing, (1, 1, 1))
    assert (case.liver.dice, case.tumour.dice) == (1, 1)
    assert np.isnan([case.burden, case.iou_50.recall, case.iou_50.precision]).all()
    assert case.detected == []


def test_each_detected_lesion_is_measured_on_its_own():
    reference = cuboids(CUBOID, (20, 30, 20, 30, 20, 30))
    predicted = cuboids((5, 15, 5, 15, 5, 13), (20, 30, 20, 30, 20, 30), (0, 2, 0, 2, 0, 2))
    case = score_case(reference, predicted, (1, 1, 1))
    assert (case.iou_50.tp, case.iou_50.fn, case.iou_50.fp) == (2, 0, 1)
    assert [lesion.reference_voxels for lesion in case.detected] == [1000, 1000]
    assert [lesion.dice for lesion in case.detected] == pytest.approx([16 / 18, 1])
    assert case.detected[1].assd == 0


def test_lesion_pairs_count_as_in_the_trials_evaluation(shared):
    cases = [score_volumes(name, *trials_pair(shared, name)) for name in ("venous_0", "venous_11")]
    assert [case.name for case in cases] == ["venous_0", "venous_11"]
    assert sum(case.iou_50.tp for case in cases) == len([x for c in cases for x in c.detected]) == 4
    assert sum(case.iou_0.fn + case.iou_0.fp for case in cases) == 0


# --- volumes and files ---------------------------------------------------------------------------


def test_volumes_are_scored_in_the_millimetres_of_their_grid_where_it_has_any():
    _, label = simple_case()
    known = score_volumes("a", label, label)
    assert known.spacing_known
    assert known.liver.reference_ml == pytest.approx(np.count_nonzero(label.voxels) * 0.064)
    mute = Volume(label.voxels, Grid.of((40, 40, 40), np.eye(4)))
    assert not score_volumes("a", mute, mute).spacing_known
    assert known.lits_script is None
    assert score_volumes("a", label, label, as_lits_script=True).lits_script.dice == (1, 1)


def test_a_mask_on_another_grid_is_refused():
    _, label = simple_case()
    affine = label.grid.affine.copy()
    affine[2, 3] += 50
    moved = Volume(label.voxels, Grid.of(label.grid.shape, affine), "mask")
    with pytest.raises(LiverlibError, match="mask: its affine is"):
        score_volumes("a", label, moved)


def test_files_are_scored_as_their_volumes_and_a_grid_that_differs_is_refused(tmp_path):
    _, label = simple_case()
    predicted = np.roll(label.voxels, 1, 0)
    for name, voxels in (("label", label.voxels), ("mask", predicted)):
        write_volume(tmp_path / f"{name}.nii.gz", voxels, label.grid)
    paths = tmp_path / "label.nii.gz", tmp_path / "mask.nii.gz"
    expected = score_volumes("a", label, Volume(predicted, label.grid))
    assert repr(score_files("a", *paths)) == repr(expected)  # NaN equals nothing
    write_volume(paths[1], predicted, Grid.of((40, 40, 40), np.diag([4.0, 4, 5, 1])))
    with pytest.raises(LiverlibError, match=r"mask\.nii\.gz"):
        score_files("a", *paths)


def test_a_reference_of_noise_is_refused_and_a_prediction_of_noise_is_scored():
    noise, clean = (
        np.ones((45, 45, 45), np.uint8),
        cuboids(CUBOID, shape=(45, 45, 45), background=1),
    )
    noise[::2, ::2, ::2] = 2
    with pytest.raises(LiverlibError, match=f"ct: its reference holds {23**3:,} separate tumours"):
        score_case(noise, clean, SPACING, "ct")
    result = score_case(clean, noise, SPACING, "ct")
    assert (result.iou_0.tp, result.iou_0.fn, result.iou_0.fp) == (1, 0, 23**3 - 1)
