"""Each command on a disk that is full: it says so, and what was there before stays whole."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.core.verdict import Quality
from liverlib.data import download
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Volume
from liverlib.models import weights

resource = pytest.importorskip("resource", reason="no small disk can be had here")
DISK = pytest.mark.parametrize("small_disk", [8 << 20], indirect=True)
RUN = [
    *"--run first --cube.size 32 --split.validation 0.2 --split.test 0.4".split(),
    *"--coarse.channels 8 16 --coarse.epochs 3 --coarse.steps 2 --coarse.patch_size 16".split(),
    *"--roi.epochs 0".split(),
]


def fill(disk: Path, left: int) -> None:
    """Leaves so many bytes on the disk; for users who may not mount one, to each file."""
    if not disk.is_mount():
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
        return
    with open(disk / "filler", "wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - left))


def make_room(disk: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    (disk / "filler").unlink(missing_ok=True)


def bytes_of(disk: Path) -> dict[Path, bytes]:
    files = (path for path in disk.rglob("*") if path.is_file() and path.name != "filler")
    return {path: path.read_bytes() for path in files}


def written(folder: Path, seed: int) -> Path:
    """Five cases in MSD's layout."""
    for n in range(5):
        for part, volume in zip(("imagesTr", "labelsTr"), simple_case(seed + n), strict=True):
            write_volume(folder / part / f"liver_{n}.nii.gz", volume)
    return folder


def predict(self: Segmenter, scan: Volume) -> SimpleNamespace:
    """Stands in for the networks; its maps are noise, which takes room."""
    mask = Volume((scan.voxels > 80).astype(np.uint8), scan.grid, scan.name)
    random = np.random.default_rng(abs(int(scan.voxels.sum())))
    noise = random.integers(0, 255, mask.voxels.shape).astype(np.uint8)
    whole = np.full_like(noise, 255)
    return SimpleNamespace(
        mask=mask,
        grid=scan.grid,
        tumour_ml_each=(),
        probability=lambda least, box=None: noise if box is None else whole[box],
        chance=lambda lesion: np.nan,
        quality=Quality(),
    )


def segmented(*more: str) -> Callable[[Path, Path], list[str]]:
    def words(data: Path, disk: Path) -> list[str]:
        return ["segment", str(data / "imagesTr" / "liver_0.nii.gz"), "-o", str(disk / "m.nii.gz"),
                *(word.replace("DISK", str(disk)) for word in more)]  # fmt: skip

    return words


def lesions(data: Path, disk: Path) -> list[str]:
    scan, label = (data / part / "liver_0.nii.gz" for part in ("imagesTr", "labelsTr"))
    return ["lesions", str(scan), str(label), "-o", str(disk / "r")]


def evaluated(data: Path, disk: Path) -> list[str]:
    if not (data / "masks").exists():
        shutil.copytree(data / "labelsTr", data / "masks")
    folders = ["--reference", str(data / "labelsTr"), "--predicted", str(data / "masks")]
    return ["evaluate", *folders, "-o", str(disk / "scores"), "--workers", "1"]


OUTPUTS = {  # bytes that are left, the command, and the file that has no room
    "segment": (0, segmented(), "m.nii.gz"),
    "probabilities": (20_000, segmented("--probabilities"), "probabilities/m_liver.nii.gz"),
    "report": (20_000, segmented("--report", "DISK/r"), "r/liver_0.html"),
    "lesions": (20_000, lesions, "r/liver_0.html"),
    "evaluate": (0, evaluated, "scores/measures.csv"),
}


@DISK
@pytest.mark.parametrize(("left", "words", "name"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_stay_as_they_were(left, words, name, small_disk, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Segmenter, "predict", predict)
    data = written(tmp_path / "data", 0)
    assert main(words(data, small_disk)) == 0
    before = bytes_of(small_disk)
    assert small_disk / name in before
    words = words(written(data, 5), small_disk)  # others of the same names
    fill(small_disk, left)
    capsys.readouterr()
    assert main(words) == 2
    told(capsys.readouterr().err, small_disk / name)
    after = bytes_of(small_disk)
    assert after.keys() == before.keys()
    assert after[small_disk / name] == before[small_disk / name]
    make_room(small_disk)
    assert main(words) == 0
    assert bytes_of(small_disk)[small_disk / name] != before[small_disk / name]


def told(error: str, path: str | Path) -> None:
    sentence = r"cannot be written \(.*\)\. It needs more than the [\d.,]+ MB that are free there\."
    assert re.search(f"liverlib: {path}: {sentence} .* is kept", error), error


MADE = {  # what is made anew, in several files
    "prepare": (["prepare", "DATA", "--cube.size", "32"], r"\S+/disk/data/\S+"),
    "run": (["run", "--data", "DATA", *RUN], r"\S+/disk/data/\S+"),
    "phantoms": (["phantoms", "--phantom.size", "64"], r"\S+/phantom_\d+\.nii\.gz"),
}


@DISK
@pytest.mark.parametrize(("words", "name"), MADE.values(), ids=MADE)
def test_what_is_made_stops_at_the_first_file_without_room(
    words, name, small_disk, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("LIVERLIB_HOME", str(small_disk))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    data = written(tmp_path / "data", 0)
    fill(small_disk, 30_000)
    assert main([word.replace("DATA", str(data)) for word in words]) == 2
    told(capsys.readouterr().err, name)
    assert not list(small_disk.rglob("*.part.*"))


@DISK
def test_a_training_keeps_its_last_checkpoint_and_goes_on(
    small_disk, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("LIVERLIB_HOME", str(small_disk))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    data, saved, save_file = written(tmp_path / "data", 0), [], weights.save_file
    last = small_disk / "results" / "first" / "coarse" / "last.safetensors"

    def save(tensors, path, about):
        if last.is_file() and not saved:
            saved.append(last.read_bytes())
            fill(small_disk, 0)
        save_file(tensors, path, about)

    monkeypatch.setattr(weights, "save_file", save)
    assert main(["run", "--data", str(data), *RUN]) == 2
    told(capsys.readouterr().err, r"\S+/results/first/coarse/\S+")
    assert [last.read_bytes()] == saved
    make_room(small_disk)
    assert main(["train", "--data", str(data), *RUN]) == 0
    assert "3 epochs" in capsys.readouterr().out


@DISK
def test_a_download_keeps_what_has_come_and_goes_on(small_disk, web, monkeypatch, capsys):
    monkeypatch.setattr(download, "SPARE", -(10**9))  # lets it begin where there is no room
    words = ["download", "--cases", "1", "--url", web.url, "--to", str(small_disk / "data")]
    assert main(words) == 0
    before = bytes_of(small_disk / "data")
    words[2] = "4"
    fill(small_disk, 15_000)
    assert main(words) == 2
    told(capsys.readouterr().err, r"\S+/\.download/(images|labels)Tr/liver_\d\.nii\.gz")
    assert before.items() <= bytes_of(small_disk / "data").items()
    make_room(small_disk)
    assert main(words) == 0
    assert len(list((small_disk / "data" / "imagesTr").iterdir())) == 4
