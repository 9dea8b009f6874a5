import csv
import json

import numpy as np
import pytest
from masks import (
    TRIALS_DICE,
    TRIALS_GLOBAL_DICE,
    TRIALS_LESIONS,
    TRIALS_NAMES,
    trials_pair,
)
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError, SomeFailed
from liverlib.evaluation.case import score_files
from liverlib.evaluation.folder import evaluate, find_pairs
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.volume import Grid


@pytest.fixture
def folders(tmp_path):
    """Four cases: shifted by a voxel, a false tumour, a tumour missed, and exact."""
    for n, orientation in enumerate(["RAS", "LAS", "LPS", "LPS"]):
        scan, label = simple_case(n)
        reference = label.voxels.copy()
        predicted = np.roll(reference, 1, 0) if n == 0 else reference.copy()
        if n == 1:
            reference[reference == 2] = 1
        if n == 2:
            predicted[predicted == 2] = 1
        grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
        write_volume(tmp_path / "reference" / f"liver_{n}.nii.gz", reference, grid)
        write_volume(tmp_path / "predicted" / f"liver_{n}.nii.gz", predicted, grid)
    return tmp_path / "reference", tmp_path / "predicted"


# --- what is measured ----------------------------------------------------------------------------


def test_means_are_those_of_the_cases(folders):
    summary = evaluate(*folders, workers=1)
    livers = [case.liver.dice for case in summary.cases]
    dice = summary.measure("liver", "Dice")
    assert (dice.value, dice.n) == (pytest.approx(np.mean(livers)), 4)
    tumours = [case.tumour.dice for case in summary.cases if case.has_tumour]
    assert summary.measure("tumour", "Dice").value == pytest.approx(np.mean(tumours))
    rule = summary.measure("tumour", "Dice, LiTS rule")
    assert (rule.value, rule.n) == (pytest.approx(np.mean([*tumours, 0])), 4)


def test_global_dice_is_that_of_all_voxels_together(folders):
    summary = evaluate(*folders, workers=1)
    pairs = [
        [read_label(folder / f"liver_{n}.nii.gz").voxels == 2 for folder in folders]
        for n in range(4)
    ]
    shared = sum((a & b).sum() for a, b in pairs)
    both = sum(a.sum() + b.sum() for a, b in pairs)
    assert summary.measure("tumour", "Dice global").value == pytest.approx(2 * shared / both)


@pytest.mark.parametrize("reference", [0, 1, 2])
@pytest.mark.parametrize("predicted", [0, 1, 2])
def test_masks_of_one_class_or_none_can_be_evaluated(tmp_path, reference, predicted):
    grid = Grid.of((5, 5, 5), np.diag([2, 2, 2, 1]))
    for folder, value in (("labels", reference), ("masks", predicted)):
        write_volume(tmp_path / folder / "a.nii", np.full((5, 5, 5), value, np.uint8), grid)
    summary = evaluate(tmp_path / "labels", tmp_path / "masks", as_lits_script=True, workers=1)
    dice = summary.measure("tumour", "Dice, LiTS rule")
    assert dice.value == ((reference == 2) == (predicted == 2))
    assert summary.measure("liver", "Dice").n == (reference > 0)
    assert str(summary)
    summary.save(tmp_path / "scores")


def test_lesions_and_burden_are_counted_over_all_cases(folders):
    summary = evaluate(*folders, workers=1)
    for name in ("recall", "precision"):
        measure = summary.measure("lesion, IoU > 0.5", name)
        assert (measure.value, measure.n) == (pytest.approx(2 / 3), 3)
    errors = [case.predicted_burden - case.burden for case in summary.cases]
    rmse = summary.measure("burden", "RMSE").value
    assert rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    largest = summary.measure("burden", "largest error").value
    assert largest == pytest.approx(max(abs(error) for error in errors))


def test_cases_of_unknown_spacing_are_left_out_of_millimetres_only(folders):
    false = Grid.of((40, 40, 40), np.eye(4))
    for folder in folders:
        label = read_label(folder / "liver_3.nii.gz")
        write_volume(folder / "liver_3.nii.gz", label.voxels, false)
    summary = evaluate(*folders, workers=1)
    dice, distance = (summary.measure("liver", name) for name in ("Dice", "ASSD"))
    assert (dice.n, dice.left_out, distance.n, distance.left_out) == (4, 0, 3, 1)
    assert "spacing unknown in 1" in str(summary)


def test_processes_side_by_side_measure_the_same(folders):
    alone, together = (evaluate(*folders, as_lits_script=True, workers=n) for n in (1, 2))
    assert str(alone) == str(together)
    assert "LiTS' script" in str(alone)


def test_the_lesion_pairs_measure_as_published(shared, tmp_path):
    for name in TRIALS_NAMES:
        for kind, volume in zip(("gt", "pred"), trials_pair(shared, name), strict=True):
            write_volume(tmp_path / kind / f"{name}.nii.gz", volume.voxels, volume.grid)
    summary = evaluate(tmp_path / "gt", tmp_path / "pred", workers=1)
    for name, value in TRIALS_LESIONS.items():
        measure = summary.measure("lesion detected", name)
        assert measure.value == pytest.approx(value, abs=1e-12)
    assert summary.measure("tumour", "Dice").value == pytest.approx(TRIALS_DICE, abs=1e-12)
    together = summary.measure("tumour", "Dice global").value
    assert together == pytest.approx(TRIALS_GLOBAL_DICE, abs=1e-12)


# --- files ---------------------------------------------------------------------------------------


def test_names_of_lits_and_nnunet_are_paired(tmp_path):
    grid, mask = Grid.of((4, 4, 4), np.diag([2, 2, 2, 1])), np.ones((4, 4, 4), np.uint8)
    for folder, names in {
        "labels": ("segmentation-3", "segmentation-20", "liver_7", "_0000"),
        "masks": ("test-segmentation-3", "volume-20", "liver_7_0000", "_0000"),
    }.items():
        for name in names:
            write_volume(tmp_path / folder / f"{name}.nii", mask, grid)
    write_volume(tmp_path / "labels" / "volume-3.nii", mask, grid)  # the scan, as LiTS keeps it
    pairs = find_pairs(tmp_path / "labels", tmp_path / "masks")
    assert [name for name, _, _ in pairs] == ["_0000", "liver_7", "3", "20"]


def test_two_masks_of_one_case_are_refused(tmp_path, folders):
    (folders[1] / "liver_1_0000.nii.gz").write_bytes(b"")
    with pytest.raises(LiverlibError, match=r"two masks of one case"):
        find_pairs(*folders)


def test_what_does_not_pair_up_is_named(folders):
    (folders[1] / "liver_1.nii.gz").unlink()
    with pytest.raises(LiverlibError, match=r"liver_1\.nii\.gz: no prediction.*1 of 4.*--subset"):
        evaluate(*folders)
    assert len(evaluate(*folders, subset=True, workers=1).cases) == 3
    (folders[0] / "liver_2.nii.gz").unlink()
    with pytest.raises(LiverlibError, match=r"liver_2\.nii\.gz: no reference"):
        evaluate(*folders, subset=True)


def test_a_folder_without_masks_is_named(tmp_path, folders):
    with pytest.raises(LiverlibError, match="labelsTr"):
        evaluate(tmp_path, folders[1])
    with pytest.raises(LiverlibError, match="nowhere: no such folder"):
        evaluate(tmp_path / "nowhere", folders[1])


# --- the command ---------------------------------------------------------------------------------


def test_the_command_writes_a_table_csv_and_json(folders, tmp_path, capsys):
    arguments = ["--reference", str(folders[0]), "--predicted", str(folders[1]), "--workers", "1"]
    assert main(["evaluate", *arguments, "-o", str(tmp_path / "scores")]) == 0
    text = capsys.readouterr().out
    assert "95 % interval" in text and "Not a medical device" in text
    with open(tmp_path / "scores" / "cases.csv", newline="") as file:
        cases = list(csv.DictReader(file))
    assert [case["name"] for case in cases] == [f"liver_{n}" for n in range(4)]
    assert cases[2]["tumour_assd"] == ""
    content = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    with open(tmp_path / "scores" / "measures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, measure in zip(rows, content["measures"], strict=True):
        assert row["measure"] == measure["measure"]
        if measure["value"] is not None:
            assert float(row["value"]) == measure["value"]
    assert float(cases[0]["liver_dice"]) == content["cases"][0]["liver"]["dice"]


@pytest.mark.parametrize("spoiled", ["grid", "class", "truncated"])
def test_a_mask_that_cannot_be_scored_is_named_and_the_others_are_scored(
    folders, spoiled, tmp_path, capsys
):
    path = folders[1] / "liver_1.nii.gz"
    label = read_label(path)
    if spoiled == "grid":
        shifted = label.grid.affine + np.array([[0, 0, 0, 9]] + [[0] * 4] * 3)
        write_volume(path, label.voxels, Grid.of(label.grid.shape, shifted))
    elif spoiled == "class":
        write_volume(path, label.voxels + np.uint8(2), label.grid)
    else:
        path.write_bytes(path.read_bytes()[:200])
    arguments = ["--reference", str(folders[0]), "--predicted", str(folders[1]), "--workers", "1"]
    assert main(["evaluate", *arguments, "-o", str(tmp_path / "scores")]) == 1
    assert not (tmp_path / "scores").exists()
    printed = capsys.readouterr()
    assert "1 of 4 masks cannot be scored:\n" in printed.err and str(path) in printed.err
    assert f"nothing is written to {tmp_path / 'scores'}" in printed.err
    with pytest.raises(SomeFailed) as caught:
        evaluate(*folders, workers=1)
    assert [case.name for case in caught.value.done.cases] == ["liver_0", "liver_2", "liver_3"]
    assert str(caught.value.done) in printed.out
    with pytest.raises(LiverlibError, match=r"liver_1\.nii\.gz"):
        score_files("liver_1", folders[0] / "liver_1.nii.gz", path)
    for other in folders[1].iterdir():
        other.write_bytes(b"")
    assert main(["evaluate", *arguments]) == 2
    assert "4 of 4 masks cannot be scored" in capsys.readouterr().err
