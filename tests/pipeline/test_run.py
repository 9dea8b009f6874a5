"""The whole way, through the command that users type."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case
from stages import save_untrained

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.files import write_json
from liverlib.data.splits import SplitSettings
from liverlib.inference.fine import fine_path
from liverlib.inference.quality.calibration import calibration_path
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks, save_networks
from liverlib.pipeline.paths import home
from liverlib.pipeline.presets import STAGES, RunSettings
from liverlib.pipeline.run import Run

STAGE = "channels 8 16|epochs 2|steps 15|patch_size 24|warmup 5|learning_rate 0.01".split("|")
SMALL = [
    *"--cube.size 32 --split.validation 0.2 --split.test 0.4".split(),
    *(word for stage in STAGES for field in STAGE for word in f"--{stage}.{field}".split()),
]


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Five simple cases in MSD's layout, stored in different orientations; one without tumour."""
    folder = tmp_path / "Task03_Liver"
    for n, orientation in enumerate(["RAS", "LAS", "LPS", "LPS", "SRA"]):
        scan, label = simple_case(n)
        if n == 0:
            label.voxels[label.voxels == 2] = 1
        grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
        write_volume(folder / "imagesTr" / f"liver_{n}.nii.gz", scan.voxels, grid)
        write_volume(folder / "labelsTr" / f"liver_{n}.nii.gz", label.voxels, grid)
    return folder


def run(dataset, *more) -> int:
    return main(["run", "--data", str(dataset), "--run", "first", *SMALL, *more])


def test_a_run_that_starts_from_weights_has_their_shape(dataset, tmp_path):
    init = tmp_path / "init.safetensors"
    crops = [("body", (4, 8)), ("liver", (4, 12))]
    save_networks(init, [(UNet3D(channels), {"cube": {"crop": crop}}) for crop, channels in crops])
    assert run(dataset, "--init", str(init)) == 0
    trained = load_networks(home() / "results" / "first" / "weights.safetensors")
    assert [network.shape["channels"] for network, _ in trained] == [(4, 8), (4, 12)]


def test_weights_count_by_their_content(tmp_path):
    """Every run calls its file weights.safetensors, and files are replaced."""
    paths = [tmp_path / name / "weights.safetensors" for name in "abc"]
    for path, seed in zip(paths, (0, 1, 1), strict=True):
        path.parent.mkdir()
        save_untrained(path, "body", seed=seed)
    first, second, like_second = (Run(weights=path).folder for path in paths)
    assert first != second == like_second
    starts = RunSettings(init=str(paths[0]))
    before = Run(starts).folder
    save_untrained(paths[0], "body", seed=2)
    assert Run(starts).folder != before


def test_what_lies_beside_weights_counts_too(dataset, tmp_path):
    """A fine stage changes the masks, a calibration the verdicts."""
    weights = tmp_path / "w.safetensors"
    save_untrained(weights, "body", "liver")
    first = Run(data=dataset, weights=weights)
    first.score()
    metrics = first.folder / "metrics.json"
    before = metrics.stat().st_mtime_ns
    first.score()
    assert metrics.stat().st_mtime_ns == before
    save_untrained(fine_path(weights), "liver", size=64)
    first.score()
    assert metrics.stat().st_mtime_ns > before
    with_fine = Run(data=dataset, weights=weights).folder
    calibration_path(weights).write_text("{}")
    assert len({first.folder, with_fine, Run(data=dataset, weights=weights).folder}) == 3


def test_scores_of_weights_are_not_those_of_other_cases(dataset, tmp_path):
    weights = tmp_path / "w.safetensors"
    save_untrained(weights, "body")
    first = Run(data=dataset, weights=weights)
    assert [case.name for case in first.score().cases] == [c.name for c in first.parts["test"]]
    other = Run(data=dataset, weights=weights)
    other.parts = {**first.parts, "test": first.parts["train"]}
    with pytest.raises(LiverlibError, match="Choose another name"):
        other.score()


def test_a_run_leaves_everything_it_promises(dataset, capsys):
    assert run(dataset) == 0
    folder = home() / "results" / "first"
    names = {path.name for path in folder.iterdir()}
    assert {
        "settings.json",
        "history.csv",
        "weights.safetensors",
        "metrics.json",
        "losses.png",
        "report.html",
    } <= names
    metrics = json.loads((folder / "metrics.json").read_text())
    scored = {case["name"] for case in metrics["cases"]}
    assert len(scored) == 2
    assert {path.stem for path in (folder / "overlays").glob("*.png")} == scored
    assert {path.stem for path in (folder / "films").glob("*.gif")} == scored
    settings = json.loads((folder / "settings.json").read_text())
    assert set(settings["cases"]["test"]) == scored
    assert "<iframe title=" in (folder / "report.html").read_text()  # the slice browser
    assert not scored & set(settings["cases"]["train"] + settings["cases"]["validation"])
    text = capsys.readouterr().out
    assert "95 % interval" in text
    assert "without any" in text


def test_scores_are_those_of_the_masks_on_the_scans_own_grids(dataset):
    run(dataset)
    folder = home() / "results" / "first"
    for case in json.loads((folder / "metrics.json").read_text())["cases"]:
        mask = nib.load(folder / "masks" / f"{case['name']}.nii.gz")
        label = nib.load(dataset / "labelsTr" / f"{case['name']}.nii.gz")
        np.testing.assert_allclose(mask.affine, label.affine)
        predicted, reference = (np.asarray(image.dataobj) >= 1 for image in (mask, label))
        both = predicted.sum() + reference.sum()
        assert case["liver"]["dice"] == pytest.approx(2 * (predicted & reference).sum() / both)


def test_the_folds_of_a_run_test_every_case_once_and_say_what_was_found(dataset, capsys):
    assert main(["prepare", str(dataset), "--cube.size", "16"]) == 0
    assert "5 cases with a label: MSD layout in" in capsys.readouterr().out
    tested = []
    for fold in range(5):
        settings = RunSettings(split=SplitSettings(folds=5, fold=fold))
        parts = Run(settings, dataset).parts
        assert [len(parts[part]) for part in ("train", "validation", "test")] == [3, 1, 1]
        tested += [case.name for case in parts["test"]]
    assert sorted(tested) == [f"liver_{n}" for n in range(5)]
    with pytest.raises(LiverlibError, match="one of the folds, 0 to 4"):
        SplitSettings(folds=5, fold=5)


def test_a_second_run_reuses_the_first(dataset):
    run(dataset)
    weights = home() / "results" / "first" / "weights.safetensors"
    metrics = home() / "results" / "first" / "metrics.json"
    before = weights.stat().st_mtime_ns, metrics.stat().st_mtime_ns
    assert run(dataset) == 0
    assert (weights.stat().st_mtime_ns, metrics.stat().st_mtime_ns) == before


def test_a_run_of_that_name_with_other_settings_is_left_alone(dataset, capsys):
    run(dataset)
    before = (home() / "results" / "first" / "settings.json").read_bytes()
    assert run(dataset, "--roi.epochs", "3") == 2
    assert "a run of this name exists" in capsys.readouterr().err
    assert (home() / "results" / "first" / "settings.json").read_bytes() == before


def test_a_scan_without_label_makes_no_other_run(dataset):
    name = Run(data=dataset).folder.name
    write_volume(dataset / "imagesTs" / "liver_9.nii.gz", simple_case(9)[0])
    run = Run(data=dataset)
    assert len(run.cases) == 6 and run.folder.name == name


def test_a_link_to_what_was_not_fetched_says_so(dataset):
    (dataset / "imagesTs").mkdir()
    (dataset / "imagesTs" / "liver_9.nii.gz").symlink_to("nowhere")  # no run needs it
    assert Run(data=dataset).folder
    scan = dataset / "imagesTr" / "liver_1.nii.gz"
    scan.unlink()
    scan.symlink_to("nowhere")
    with pytest.raises(LiverlibError, match=r"liver_1\.nii\.gz: .* Fetch it first.*datalad get"):
        Run(data=dataset)


def test_a_changed_label_makes_another_run(dataset):
    name = Run(data=dataset).folder.name
    label = dataset / "labelsTr" / "liver_1.nii.gz"
    label.write_bytes(label.read_bytes() + b"")
    assert Run(data=dataset).folder.name != name


def test_other_labels_of_the_same_cases_are_another_run(dataset, tmp_path):
    """As after a correction: the names are the same, what is learned is not."""
    parts = Run(data=dataset).parts
    case = parts["train"][0]
    corrected = replace(case, label=tmp_path / "corrected.nii.gz")
    assert case.label
    shutil.copy(case.label, corrected.label)

    def claim():
        again = Run(data=dataset, name="again")
        again.parts = parts | {"train": [corrected, *parts["train"][1:]]}
        again._claim()

    claim()
    claim()
    label = read_label(case.label)
    label.voxels[0, 0, 0] = 1
    write_volume(corrected.label, label)
    with pytest.raises(LiverlibError, match="a run of this name exists"):
        claim()


def test_a_mask_lies_on_the_scans_grid(dataset, tmp_path, capsys, believed):
    run(dataset)
    scan = dataset / "imagesTr" / "liver_4.nii.gz"
    assert main(["segment", str(scan), "-o", str(tmp_path / "mask.nii.gz")]) == 0
    mask, image = nib.load(tmp_path / "mask.nii.gz"), nib.load(scan)
    assert mask.shape == image.shape
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1, 2}
    assert "Not a medical device" in capsys.readouterr().out


def test_a_folder_of_scans_becomes_a_folder_of_masks(dataset, tmp_path, believed):
    run(dataset)
    images = dataset / "imagesTr"
    assert main(["segment", str(images), "-o", str(tmp_path / "masks")]) == 0
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {
        path.name for path in images.iterdir()
    }


def test_a_broken_case_is_named_and_nothing_half_made_stays(dataset, capsys):
    broken = dataset / "imagesTr" / "liver_2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:5000])
    assert run(dataset) == 2
    assert "liver_2.nii.gz: truncated or corrupt" in capsys.readouterr().err
    assert not (home() / "results" / "first").exists()
    assert not list(home().rglob("*.part.*"))


def test_json_holds_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [float("nan"), 1]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None, "y": [None, 1]}


def test_the_real_scan_goes_the_whole_way(shared, tmp_path):
    """A scan of a patient as train, validation and test alike: that it runs, not how well.

    It is made brighter by 1 HU each time, as equal scans in two parts are refused.
    """
    folder = tmp_path / "real"
    scan = read_scan(shared / "liver_crop_128" / "image.nii.gz")
    label = read_label(shared / "liver_crop_128" / "label.nii.gz", scan)
    for n in range(3):
        write_volume(folder / "imagesTr" / f"liver_{n}.nii.gz", scan.voxels + n, scan.grid)
        write_volume(folder / "labelsTr" / f"liver_{n}.nii.gz", label.voxels, label.grid)
    assert run(folder) == 0
    (mask,) = (home() / "results" / "first" / "masks").iterdir()
    original = read_scan(folder / "imagesTr" / mask.name)
    assert nib.load(mask).shape == original.grid.header.get_data_shape()


def test_bad_data_raise_the_librarys_own_error(tmp_path):
    with pytest.raises(LiverlibError):
        Run(data=tmp_path / "none").folder  # noqa: B018
