"""What is said or refused before a run trains."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import Case
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.pipeline import checks
from liverlib.pipeline.checks import check_cases, check_sizes
from liverlib.pipeline.paths import home, results
from liverlib.pipeline.presets import RunSettings
from liverlib.pipeline.run import Run
from liverlib.preprocessing.cube import CubeSettings
from liverlib.training.settings import TrainSettings


@pytest.fixture
def parts(tmp_path) -> dict[str, list[Case]]:
    """Two cases to train on, one to validate with, one to test."""
    cases = [written(tmp_path, n) for n in range(4)]
    return {"train": cases[:2], "validation": cases[2:3], "test": cases[3:]}


def written(folder: Path, n: int, orientation: str = "LPS", empty: bool = False) -> Case:
    scan, label = simple_case(n)
    label.voxels[:] *= not empty
    paths = [folder / kind / f"liver_{n}.nii.gz" for kind in ("imagesTr", "labelsTr")]
    grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
    for path, volume in zip(paths, (scan, label), strict=True):
        write_volume(path, volume.voxels, grid)
    return Case(f"liver_{n}", *paths)


def told(parts, tmp_path, capsys) -> str:
    check_cases(parts, tmp_path / "cubes", tmp_path / "notes", Path("mine"))
    return capsys.readouterr().out


# --- cases ---------------------------------------------------------------------------------------


def test_two_lines_say_how_many_cases_look_wrong_and_how(parts, tmp_path, capsys):
    written(tmp_path, 1, empty=True)
    text = told(parts, tmp_path, capsys)
    assert text.startswith("check     4 of 4 cases look wrong: its label holds no liver (liver_1);")
    assert "the liver is not 500 to 5000 ml (liver_0, liver_2, liver_3)" in text
    assert text.splitlines()[1:] == ["          liverlib check mine tells all"]


def test_a_mirrored_case_is_named(parts, tmp_path, capsys):
    scan, label = simple_case(2)
    for path, volume in zip(parts["validation"][0].files, (scan, label), strict=True):
        write_volume(path, volume.voxels[::-1].copy(), volume.grid)
    text = told(parts, tmp_path, capsys)
    assert "the liver lies on the patient's left: mirrored? (liver_2)" in text


def test_what_was_examined_is_not_examined_again(parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("liverlib.preprocessing.cache.FRESH", -(10**18))
    examined, in_processes = [], checks.in_processes

    def counted(work, calls, **more):
        examined.append(len(calls))
        return in_processes(work, calls, 1, **more)

    monkeypatch.setattr(checks, "in_processes", counted)
    first = told(parts, tmp_path, capsys)
    assert told(parts, tmp_path, capsys) == first
    next((tmp_path / "notes").iterdir()).write_text("[]")
    assert told(parts, tmp_path, capsys) == first
    written(tmp_path, 0, empty=True)
    assert "holds no liver (liver_0)" in told(parts, tmp_path, capsys)
    assert examined == [4, 0, 1, 1]


def test_a_copied_file_on_two_sides_of_the_split_is_refused(parts, tmp_path, capsys):
    shutil.copy(parts["train"][1].image, parts["test"][0].image)
    with pytest.raises(LiverlibError, match="liver_1 and liver_3: the same scan, once to train on"):
        told(parts, tmp_path, capsys)


def test_a_scan_stored_otherwise_is_the_same_scan(parts, tmp_path, capsys):
    scan, _ = simple_case(2)
    for kind in ("imagesTr", "labelsTr"):
        shutil.copy(tmp_path / kind / "liver_2.nii.gz", tmp_path / kind / "liver_3.nii.gz")
    grid = Grid.of(scan.grid.shape, scan.grid.affine, "RAS")
    write_volume(parts["test"][0].image, scan.voxels, grid)
    with pytest.raises(
        LiverlibError, match=r"liver_2 and liver_3: .* validate with and once to te"
    ):
        told(parts, tmp_path, capsys)


def test_a_copy_within_the_training_cases_is_only_said(parts, tmp_path, capsys):
    for kind in ("imagesTr", "labelsTr"):
        shutil.copy(tmp_path / kind / "liver_0.nii.gz", tmp_path / kind / "liver_1.nii.gz")
    assert "the same voxels in liver_0, liver_1 (liver_0, liver_1)" in told(parts, tmp_path, capsys)


def test_a_file_that_cannot_be_read_is_left_to_the_cubes(parts, tmp_path, capsys):
    parts["train"][0].image.write_bytes(b"no scan")
    os.unlink(parts["train"][1].image)
    text = told(parts, tmp_path, capsys)
    assert "cannot be read (liver_0, liver_1)" in text
    assert len(list((tmp_path / "notes").glob("*.json"))) == 2


def test_streamed_cases_are_compared_by_their_files(tmp_path, capsys):
    cases = [
        Case(f"liver_{n}", Path("none"), Path("none"), sha256=(f"{n % 2}", "")) for n in range(3)
    ]
    parts = {"train": cases[:1], "validation": cases[1:2], "test": cases[2:]}
    with pytest.raises(LiverlibError, match="liver_0 and liver_2: the same scan"):
        told(parts, tmp_path, capsys)
    assert "nothing looks wrong" in told(parts | {"test": []}, tmp_path, capsys)


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (RunSettings(cube=CubeSettings(size=100)), "--cube.size 100: must be a multiple of 16"),
        (
            RunSettings(roi=TrainSettings(patch_size=40)),
            "--roi.patch_size 40: must be a multiple of 16, at least 32, for the network",
        ),
        (RunSettings(roi=TrainSettings(patch_size=16)), r"--roi\.patch_size 16: .* at least 32"),
        (RunSettings(cube=CubeSettings(size=16)), r"--cube\.size 16: .* at least 32"),
        (RunSettings(init="none.safetensors"), "none.safetensors: no such weights"),
    ],
)
def test_sizes_that_do_not_suit_the_network_are_refused_before_any_work(settings, text):
    for stage in ("coarse", "roi"):
        with pytest.raises(LiverlibError, match=text):
            Run(settings).train(stage)
    assert not list(home().rglob("*"))


def test_the_network_to_start_from_decides_what_fits(tmp_path):
    path = tmp_path / "init.safetensors"
    crops = [("body", (4, 8)), ("liver", (4, 8))]
    save_networks(path, [(UNet3D(channels), {"cube": {"crop": crop}}) for crop, channels in crops])
    settings = RunSettings(
        cube=CubeSettings(size=36),
        coarse=TrainSettings(patch_size=12),
        roi=TrainSettings(patch_size=200),  # more than the cube: the whole cube
        init=str(path),
    )
    check_sizes(settings)
    with pytest.raises(LiverlibError, match=r"--cube\.size 36: must be a multiple of 16"):
        check_sizes(replace(settings, init=""))
    with pytest.raises(LiverlibError, match=r"--cube\.crop liver: must be body or all"):
        check_sizes(replace(settings, cube=CubeSettings(size=32, crop="liver")))


@pytest.mark.parametrize("name", ["..", "a/b", "/tmp/a", "a/", "n" * 300])
def test_a_run_lies_in_results(name):
    with pytest.raises(LiverlibError, match="not a run's name"):
        Run(name=name)
    assert results("one run").parent == home() / "results"
