import csv
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conftest import simple_case
from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.bootstrap import bootstrap_interval
from liverlib.evaluation.case import agreement, evaluate_case, score_case
from liverlib.evaluation.folder import evaluate, find_pairs
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.volume import Grid

MASKS = hnp.arrays(bool, (6, 5, 4))
CLASSES = hnp.arrays(np.uint8, (7, 6, 5), elements=st.sampled_from([0, 0, 0, 1, 2]))
SPACING = np.array([0.8, 0.9, 2.5])


@pytest.fixture
def folders(tmp_path):
    """Four cases: shifted by a voxel, tumour made up, tumour missed, and exact."""
    for n, orientation in enumerate(["RAS", "LAS", "LPS", "LPS"]):
        scan, label = simple_case(n)
        truth = label.voxels.copy()
        drawn = np.roll(truth, 1, 0) if n == 0 else truth.copy()
        if n == 1:
            truth[truth == 2] = 1
        if n == 2:
            drawn[drawn == 2] = 1
        grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
        write_volume(tmp_path / "reference" / f"liver_{n}.nii.gz", truth, grid)
        write_volume(tmp_path / "predicted" / f"liver_{n}.nii.gz", drawn, grid)
    return tmp_path / "reference", tmp_path / "predicted"


def measure(evaluation, of: str, name: str):
    return next(one for one in evaluation.measures if (one.of, one.measure) == (of, name))


# --- one object ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(MASKS, MASKS)
def test_swapping_the_masks_changes_only_what_should(a, b):
    ours, theirs = (vars(agreement(*pair, SPACING)) for pair in ((a, b), (b, a)))
    for name in set(ours) - {"reference_voxels", "predicted_voxels", "rvd"}:
        assert theirs[name] == pytest.approx(ours[name], nan_ok=True)
    assert theirs["reference_voxels"] == ours["predicted_voxels"]
    if a.any() and b.any():
        assert (1 + ours["rvd"]) * (1 + theirs["rvd"]) == pytest.approx(1)


@settings(deadline=None)
@given(MASKS, MASKS, st.floats(0.2, 7))
def test_scaling_the_spacing_scales_every_distance_and_nothing_else(a, b, factor):
    one, other = (vars(agreement(a, b, spacing)) for spacing in (SPACING, factor * SPACING))
    for name in ("assd", "rmsd", "mssd", "hd95"):
        assert other[name] == pytest.approx(factor * one[name], nan_ok=True)
    for name in ("dice", "voe", "rvd"):
        assert other[name] == pytest.approx(one[name], nan_ok=True)


@settings(deadline=None)
@given(MASKS, MASKS)
def test_overlap_error_follows_from_dice(a, b):
    found = agreement(a, b, None)
    assert 1 - found.voe == pytest.approx(found.dice / (2 - found.dice))


def test_too_much_is_a_positive_volume_difference():
    small, large = np.zeros((2, 10, 10, 10), bool)
    small[2:4, 2:4, 2:4], large[2:5, 2:4, 2:4] = True, True
    assert agreement(small, large, SPACING).rvd == pytest.approx(0.5)
    assert agreement(large, small, SPACING).rvd == pytest.approx(-1 / 3)


def test_empty_masks_have_overlap_and_no_distance():
    full, empty = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    found = [agreement(*pair, SPACING) for pair in ((empty, empty), (full, empty), (empty, full))]
    assert [(one.dice, one.voe, one.surface_dice_1) for one in found] == [
        (1, 0, 1),
        (0, 1, 0),
        (0, 1, 0),
    ]
    assert np.isnan([[one.assd, one.hd95] for one in found]).all()
    assert [one.rvd for one in found][1] == -1
    assert np.isnan([found[0].rvd, found[2].rvd]).all()


def test_without_spacing_there_are_no_millimetres():
    mask = np.ones((3, 3, 3), bool)
    found = vars(agreement(mask, mask, None))
    unknown = {name for name, value in found.items() if value != value}
    assert unknown == {"assd", "rmsd", "mssd", "hd95", "surface_dice_1", "surface_dice_2"}


# --- counts --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_an_unrelated_false_lesion_adds_one_false_and_changes_no_other_count(reference, predicted):
    def placed(classes: np.ndarray, first: int) -> np.ndarray:
        wide = np.zeros((11, 6, 5), np.uint8)
        wide[first : first + 7] = classes
        return wide

    for first, stray in ((4, 0), (0, 10)):  # before all others in the order of the array, or after
        ours, theirs = placed(reference, first), placed(predicted, first)
        before = score_case(ours, theirs)
        theirs[stray, 0, 0] = 2
        after = score_case(ours, theirs)
        for one, other in ((before.touched, after.touched), (before.detected, after.detected)):
            expected = (one.found, one.missed, one.false + 1)
            assert (other.found, other.missed, other.false) == expected


# --- many cases ----------------------------------------------------------------------------------


def test_means_are_those_of_the_cases(folders):
    evaluation = evaluate(*folders, workers=1)
    livers = [case.liver.dice for case in evaluation.cases]
    found = measure(evaluation, "liver", "Dice")
    assert (found.value, found.n) == (pytest.approx(np.mean(livers)), 4)
    assert (found.low, found.high) == pytest.approx(bootstrap_interval(livers))
    tumours = [case.tumour.dice for case in evaluation.cases if case.score.has_tumour]
    assert measure(evaluation, "tumour", "Dice").value == pytest.approx(np.mean(tumours))
    lits = measure(evaluation, "tumour", "Dice, LiTS rule")
    assert (lits.value, lits.n) == (pytest.approx(np.mean([*tumours, 0])), 4)


def test_global_dice_is_that_of_all_voxels_together(folders):
    evaluation = evaluate(*folders, workers=1)
    pairs = [
        [read_label(folder / f"liver_{n}.nii.gz").voxels == 2 for folder in folders]
        for n in range(4)
    ]
    shared = sum((a & b).sum() for a, b in pairs)
    both = sum(a.sum() + b.sum() for a, b in pairs)
    assert measure(evaluation, "tumour", "Dice global").value == pytest.approx(2 * shared / both)


def test_empty_masks_are_counted_apart(folders):
    evaluation = evaluate(*folders, workers=1)
    assert dataclasses.astuple(evaluation.empty["tumour"]) == (0, 1, 1)
    assert dataclasses.astuple(evaluation.empty["liver"]) == (0, 0, 0)
    distance = measure(evaluation, "tumour", "ASSD")
    assert (distance.n, distance.left_out) == (2, 1)
    assert "no tumour in 1 references, drawn all the same in 1; not drawn where" in str(evaluation)


@pytest.mark.parametrize("reference", [0, 1, 2])
@pytest.mark.parametrize("predicted", [0, 1, 2])
def test_masks_of_one_class_or_none_can_be_evaluated(tmp_path, reference, predicted):
    grid = Grid.of((5, 5, 5), np.diag([2, 2, 2, 1]))
    for folder, value in (("ours", reference), ("theirs", predicted)):
        write_volume(tmp_path / folder / "a.nii", np.full((5, 5, 5), value, np.uint8), grid)
    evaluation = evaluate(tmp_path / "ours", tmp_path / "theirs", as_lits_script=True, workers=1)
    dice = measure(evaluation, "tumour", "Dice, LiTS rule")
    assert dice.value == ((reference == 2) == (predicted == 2))
    assert measure(evaluation, "liver", "Dice").n == (reference > 0)
    assert str(evaluation)
    evaluation.save(tmp_path / "scores")


def test_lesions_and_burden_are_counted_over_all_cases(folders):
    evaluation = evaluate(*folders, workers=1)
    recall = measure(evaluation, "lesion, overlap > 0.5", "recall")
    precision = measure(evaluation, "lesion, overlap > 0.5", "precision")
    assert (recall.value, recall.n) == (pytest.approx(2 / 3), 3)
    assert (precision.value, precision.n) == (pytest.approx(2 / 3), 3)
    errors = [case.score.predicted_burden - case.score.burden for case in evaluation.cases]
    rmse = measure(evaluation, "burden", "RMSE").value
    assert rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    largest = measure(evaluation, "burden", "largest error").value
    assert largest == pytest.approx(max(abs(error) for error in errors))


def test_cases_of_unknown_spacing_are_left_out_of_millimetres_only(folders, tmp_path):
    false = Grid.of((40, 40, 40), np.eye(4))
    for folder in folders:
        label = read_label(folder / "liver_3.nii.gz")
        write_volume(folder / "liver_3.nii.gz", label.voxels, false)
    evaluation = evaluate(*folders, workers=1)
    dice, distance = (measure(evaluation, "liver", name) for name in ("Dice", "ASSD"))
    assert (dice.n, dice.left_out, distance.n, distance.left_out) == (4, 0, 3, 1)
    assert "spacing unknown in 1" in str(evaluation)


def test_processes_side_by_side_find_the_same(folders):
    alone, together = (evaluate(*folders, as_lits_script=True, workers=n) for n in (1, 2))
    assert str(alone) == str(together)
    assert "LiTS' script" in str(alone)


def test_the_lesion_pairs_measure_as_published(shared, tmp_path):
    for kind in ("gt", "pred"):
        for name in ("venous_0", "venous_11"):
            path = shared / "lesion_pairs" / kind / f"{name}.nii.gz"
            label = read_label(path, classes={1: 2})
            write_volume(tmp_path / kind / f"{name}.nii.gz", label.voxels, label.grid)
    evaluation = evaluate(tmp_path / "gt", tmp_path / "pred", workers=1)
    expected = {
        "Dice": 0.8767814601809033,
        "VOE": 0.2183007538432856,
        "ASSD": 0.5891962909208087,
        "RMSD": 0.9451723162962817,
        "MSSD": 5.4471563162678365,
    }
    for name, value in expected.items():
        assert measure(evaluation, "lesion found", name).value == pytest.approx(value, abs=1e-12)
    assert measure(evaluation, "tumour", "Dice").value == pytest.approx(0.8734970954079257, 1e-12)
    together = measure(evaluation, "tumour", "Dice global").value
    assert together == pytest.approx(0.8827353964438224, abs=1e-12)


# --- files ---------------------------------------------------------------------------------------


def test_the_command_writes_a_table_csv_and_json(folders, tmp_path, capsys):
    where = ["--reference", str(folders[0]), "--predicted", str(folders[1]), "--workers", "1"]
    assert main(["evaluate", *where, "-o", str(tmp_path / "scores")]) == 0
    text = capsys.readouterr().out
    assert "95 % interval" in text and "Not a medical device" in text
    with open(tmp_path / "scores" / "cases.csv", newline="") as file:
        cases = list(csv.DictReader(file))
    assert [case["name"] for case in cases] == [f"liver_{n}" for n in range(4)]
    assert cases[2]["tumour_assd"] == ""
    content = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    with open(tmp_path / "scores" / "measures.csv", newline="") as file:
        measures = list(csv.DictReader(file))
    for row, one in zip(measures, content["measures"], strict=True):
        assert row["measure"] == one["measure"]
        if one["value"] is not None:
            assert float(row["value"]) == one["value"]
    assert float(cases[0]["liver_dice"]) == content["cases"][0]["liver"]["dice"]


def test_names_of_lits_and_nnunet_are_paired(tmp_path):
    grid, mask = Grid.of((4, 4, 4), np.diag([2, 2, 2, 1])), np.ones((4, 4, 4), np.uint8)
    for folder, names in {
        "ours": ("segmentation-3", "segmentation-20", "liver_7", "_0000"),
        "theirs": ("test-segmentation-3", "volume-20", "liver_7_0000", "_0000"),
    }.items():
        for name in names:
            write_volume(tmp_path / folder / f"{name}.nii", mask, grid)
    write_volume(tmp_path / "ours" / "volume-3.nii", mask, grid)  # the scan, in LiTS' own folder
    pairs = find_pairs(tmp_path / "ours", tmp_path / "theirs")
    assert [name for name, _, _ in pairs] == ["_0000", "liver_7", "3", "20"]


def test_what_does_not_pair_up_is_named(folders):
    (folders[1] / "liver_1.nii.gz").unlink()
    with pytest.raises(LiverlibError, match=r"liver_1\.nii\.gz: no prediction.*1 of 4.*--subset"):
        evaluate(*folders)
    assert len(evaluate(*folders, subset=True, workers=1).cases) == 3
    (folders[0] / "liver_2.nii.gz").unlink()
    with pytest.raises(LiverlibError, match=r"liver_2\.nii\.gz: no reference"):
        evaluate(*folders, subset=True)


@pytest.mark.parametrize("spoiled", ["grid", "class", "truncated"])
def test_a_file_that_cannot_be_compared_is_named_and_nothing_written(folders, spoiled, tmp_path):
    path = folders[1] / "liver_1.nii.gz"
    label = read_label(path)
    if spoiled == "grid":
        shifted = label.grid.affine + np.array([[0, 0, 0, 9]] + [[0] * 4] * 3)
        write_volume(path, label.voxels, Grid.of(label.grid.shape, shifted))
    elif spoiled == "class":
        write_volume(path, label.voxels + np.uint8(2), label.grid)
    else:
        path.write_bytes(path.read_bytes()[:200])
    where = ["--reference", str(folders[0]), "--predicted", str(folders[1]), "--workers", "1"]
    assert main(["evaluate", *where, "-o", str(tmp_path / "scores")]) == 2
    assert not (tmp_path / "scores").exists()
    with pytest.raises(LiverlibError, match=r"liver_1\.nii\.gz"):
        evaluate_case("liver_1", folders[0] / "liver_1.nii.gz", path)


def test_a_folder_without_masks_is_named(tmp_path, folders):
    with pytest.raises(LiverlibError, match="labelsTr"):
        evaluate(tmp_path, folders[1])
    with pytest.raises(LiverlibError, match="nowhere: no such folder"):
        evaluate(tmp_path / "nowhere", folders[1])
