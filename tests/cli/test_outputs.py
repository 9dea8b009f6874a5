"""What `segment` may write over, what it passes over, and what one bad scan does to the others."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.core.verdict import Quality
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.volume import Grid, Volume


@dataclass(frozen=True)
class Threshold:
    """Stands in for the networks: what is brighter than 80 HU is liver."""

    tta: bool = False
    settings: object = None

    def predict(self, scan: Volume) -> SimpleNamespace:
        mask = Volume((scan.voxels > 80).astype(np.uint8), scan.grid, scan.name)
        return SimpleNamespace(
            mask=mask,
            grid=scan.grid,
            probability=lambda least: mask.voxels * 255,
            quality=Quality(),
        )


@pytest.fixture
def segmented(monkeypatch) -> list[str]:
    """The names of the scans that the networks were asked about."""
    names = []

    def predict(self, scan):
        names.append(scan.name)
        return original(self, scan)

    original = Threshold.predict
    monkeypatch.setattr(Threshold, "predict", predict)
    monkeypatch.setattr(Segmenter, "load", lambda *weights: Threshold())
    return names


def scans_in(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        write_volume(folder / name, simple_case(seed, 12)[0])
    return folder


def bytes_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a.nii.gz", "-o", "a.nii.gz"], "a.nii.gz: is an input"),
        (["a.nii.gz", "-o", "link.nii.gz"], "link.nii.gz: is an input"),
        (["a.nii.gz", "-o", "hard.nii.gz"], "hard.nii.gz: is an input"),
        (["a.nii.gz", "b.nii.gz", "-o", "."], "a.nii.gz: is an input"),
        ([".", "-o", "."], "a.nii.gz: is an input"),
        (["plain", "-o", "plain"], "plain: is the folder of the scans"),
        (["plain", "-o", "linked"], "linked: is the folder of the scans"),
        (["a.nii.gz", "-o", "w.nii.gz", "--weights", "w.nii.gz"], "w.nii.gz: is an input"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_an_output_is_never_an_input(words, text, more, tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "a.nii.gz", "b.nii.gz", "plain/c.nii"))
    Path("link.nii.gz").symlink_to("a.nii.gz")
    os.link("a.nii.gz", "hard.nii.gz")
    Path("linked").symlink_to("plain")
    Path("w.nii.gz").write_bytes(b"weights")
    before = bytes_of(tmp_path)
    assert main(["segment", *words, *more]) == 2
    assert text in capsys.readouterr().err
    assert bytes_of(tmp_path) == before
    assert not segmented


@pytest.mark.parametrize("words", [["-o", "ct/out/m.nii.gz"], ["-o", "m.nii", "--report", "ct"]])
def test_nothing_is_written_into_a_dicom_folder(words, tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(tmp_path)
    Path("ct").mkdir()
    Path("ct/1.dcm").write_bytes(bytes(128) + b"DICM")
    assert main(["segment", "ct", *words]) == 2
    assert "lies in a scan's own folder" in capsys.readouterr().err
    assert not segmented


def test_reports_go_to_a_folder(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "a.nii.gz", "b.nii.gz"))
    assert main(["segment", "a.nii.gz", "-o", "m.nii.gz", "--report", "b.nii.gz"]) == 2
    assert "b.nii.gz: is no folder" in capsys.readouterr().err
    assert not segmented


def test_the_folder_of_masks_is_not_passed_over(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "ct/a.nii.gz", "ct/b.nii.gz", "ct/more/c.nii.gz"))
    for _ in range(2):
        assert main(["segment", "ct", "-o", "ct/masks"]) == 0
        assert "passed over more." in capsys.readouterr().out


def test_files_that_liverlib_did_not_write_are_kept(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz"))
    Path("report").mkdir()
    Path("report/a.json").write_text('{"RepetitionTime": 2}')  # dcm2niix writes such
    before = bytes_of(tmp_path)
    for words in (["labelsTr/a.nii.gz"], ["labelsTr"], ["masks", "--report", "report"]):
        assert main(["segment", "imagesTr", "-o", *words]) == 2
        assert "is not as liverlib wrote it. It is kept" in capsys.readouterr().err
    assert bytes_of(tmp_path) == before
    assert not segmented
    assert main(["segment", "imagesTr", "-o", "labelsTr", "--overwrite"]) == 0
    assert read_label("labelsTr/a.nii.gz").voxels.any()


def test_the_reports_of_lesions_and_of_evaluate_keep_files_of_others(tmp_path, capsys):
    scan, label = simple_case(0, 12)
    for folder, volume in (("scans", scan), ("labels", label), ("masks", label)):
        write_volume(tmp_path / folder / "a.nii.gz", volume)
    for command, name in (("lesions", "a.csv"), ("evaluate", "cases.csv")):
        path = tmp_path / "out" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        folders = [str(tmp_path / part) for part in ("labels", "masks")]
        words = [str(tmp_path / part / "a.nii.gz") for part in ("scans", "labels")]
        if command == "evaluate":
            words = ["--reference", folders[0], "--predicted", folders[1], "--workers", "1"]
        words = [command, *words, "-o", str(path.parent)]
        assert main(words) == 2
        assert f"{name}: is there" in capsys.readouterr().err
        assert path.read_text() == "mine"
        assert main([*words, "--overwrite"]) == 0
        assert main(words) == 0


def test_a_table_of_scores_that_was_changed_is_kept(tmp_path, capsys):
    _, label = simple_case(0, 12)
    for folder in ("labels", "masks"):
        write_volume(tmp_path / folder / "a.nii.gz", label)
    folders = ["--reference", str(tmp_path / "labels"), "--predicted", str(tmp_path / "masks")]
    words = ["evaluate", *folders, "--workers", "1", "-o", str(tmp_path / "out")]
    assert main(words) == main(words) == 0
    table = tmp_path / "out" / "cases.csv"
    table.write_text(table.read_text() + "remarks\n")
    assert main(words) == 2
    assert "cases.csv: is there" in capsys.readouterr().err
    assert table.read_text().endswith("remarks\n")


def test_a_mask_says_what_it_is_and_is_not_made_twice(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "s/a.nii.gz", "s/b.nii.gz"))
    assert main(["segment", "s", "-o", "m", "--probabilities"]) == 0
    note = nib.load("m/a.nii.gz").header["descrip"].item().decode()
    assert re.fullmatch(r"liverlib \S+ mask \w{12} \w{12}; Not a medical device", note)
    note = nib.load("m/probabilities/a_tumour.nii.gz").header["descrip"].item()
    assert b"probability of tumour" in note
    before = bytes_of(tmp_path)
    for words in ([], ["--probabilities"]):
        assert main(["segment", "s", "-o", "m", *words]) == 0
        assert "2 of 2 masks were there" in capsys.readouterr().out
    assert segmented == ["a", "b"]
    assert bytes_of(tmp_path) == before
    scans_in(tmp_path, "s/b.nii.gz")  # another scan under the old name
    assert main(["segment", "s", "-o", "m"]) == 0
    assert segmented == ["a", "b", "b"]
    assert main(["segment", "s", "-o", "m", "--tta"]) == 0
    assert main(["segment", "s", "-o", "m", "--tta", "--overwrite"]) == 0
    assert segmented == ["a", "b", "b", *["a", "b"] * 2]


def test_what_is_older_than_its_mask_is_made_anew(tmp_path, monkeypatch, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "a.nii.gz"))
    words = ["segment", "a.nii.gz", "-o", "m.nii.gz"]
    assert main([*words, "--probabilities"]) == 0
    assert main([*words, "--tta"]) == 0
    assert main([*words, "--tta", "--probabilities"]) == 0
    assert len(segmented) == 3


def test_a_mask_that_was_corrected_by_hand_is_kept(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "s/a.nii.gz", "s/b.nii.gz"))
    assert main(["segment", "s", "-o", "m"]) == 0
    image = nib.load("m/a.nii.gz")
    voxels = np.asarray(image.dataobj).copy()
    voxels[0, 0, 0] = 2
    corrected = nib.Nifti1Image(voxels, image.affine, image.header)  # with liverlib's description
    nib.save(corrected, "m/a.nii.gz")
    before = Path("m/a.nii.gz").read_bytes()
    assert main(["segment", "s", "-o", "m"]) == 0
    assert main(["segment", "s", "-o", "m", "--tta"]) == 1
    assert "m/a.nii.gz: is there, and is not as liverlib" in capsys.readouterr().err
    assert Path("m/a.nii.gz").read_bytes() == before
    assert segmented == ["a", "b", "b"]


def test_a_mask_whose_position_was_corrected_is_kept(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "a.nii.gz"))
    assert main(["segment", "a.nii.gz", "-o", "mask.nii.gz"]) == 0
    image = nib.load("mask.nii.gz")
    affine, header = image.affine.copy(), image.header.copy()
    affine[2, 3] += 30
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    moved = nib.Nifti1Image(np.asarray(image.dataobj), None, header)
    moved.to_filename("mask.nii.gz")
    before = bytes_of(tmp_path)
    assert main(["segment", "a.nii.gz", "-o", "mask.nii.gz", "--tta"]) == 2
    assert "is not as liverlib wrote it" in capsys.readouterr().err
    assert bytes_of(tmp_path) == before


def test_a_surface_is_not_lost_to_another_scans(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "in/a.nii.gz", "in/a_tumour.nii.gz"))
    assert main(["segment", "in", "-o", "out", "--format", "stl"]) == 2
    assert "is the mask of one scan and belongs to another's too" in capsys.readouterr().err
    assert not segmented


def test_one_bad_scan_stops_no_other(tmp_path, monkeypatch, capsys, segmented):
    folder = scans_in(tmp_path / "s", "a.nii.gz", "B.NII.GZ", "c.nii", "d.nii")
    (folder / "a.nii.gz").write_bytes(b"damaged")
    (folder / "e.nii.gz").symlink_to("e.nii.gz")
    (folder / "f.nii.gz").symlink_to("../.git/annex/objects/f.nii.gz")
    os.mkfifo(folder / "g.nii.gz")
    (folder / "h.nrrd").write_text("")
    (folder / "more").mkdir()
    scans_in(folder / "more", "i.nii.gz")
    (folder / "up").symlink_to("..")
    assert main(["segment", str(folder), "-o", str(tmp_path / "m")]) == 1
    printed = capsys.readouterr()
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "B.nii.gz",
        "c.nii.gz",
        "d.nii.gz",
    }
    assert "passed over h.nrrd, more, up" in printed.out
    assert "4 of 7 scans have no new mask:" in printed.err
    for text in (
        "a.nii.gz: ",
        "e.nii.gz: a loop",
        "f.nii.gz: a link to ../.git",
        "g.nii.gz: a pipe",
    ):
        assert str(folder / text) in printed.err
    assert "100%" in printed.err or "7/7" in printed.err  # a progress bar


def test_too_little_memory_is_told_and_stops_no_other(tmp_path, monkeypatch, capsys, segmented):
    original = Threshold.predict

    def predict(self, scan):
        if scan.name == "a":
            raise MemoryError
        return original(self, scan)

    monkeypatch.setattr(Threshold, "predict", predict)
    folder = scans_in(tmp_path / "s", "a.nii.gz", "b.nii.gz")
    assert main(["segment", str(folder), "-o", str(tmp_path / "m")]) == 1
    assert "a.nii.gz: not enough memory" in capsys.readouterr().err
    assert (tmp_path / "m" / "b.nii.gz").is_file()


def test_a_full_disk_stops_the_rest_and_names_what_was_bad(
    tmp_path, monkeypatch, capsys, segmented, small_disk
):
    noise = np.random.default_rng(0).integers(0, 200, (128, 128, 128)).astype(np.int16)
    grid = Grid.of(noise.shape, np.diag([4.0, 4, 4, 1]))
    for name in "bc":
        write_volume(tmp_path / "s" / f"{name}.nii.gz", noise, grid)
    (tmp_path / "s" / "a.nii.gz").write_bytes(b"damaged")
    assert main(["segment", str(tmp_path / "s"), "-o", str(small_disk / "m")]) == 2
    error = capsys.readouterr().err
    assert "s/a.nii.gz: " in error
    assert re.search(r"m/b\.nii\.gz: cannot be written .*more than the [\d.,]+ MB", error)
    assert not list((small_disk / "m").iterdir())
    assert segmented == ["b"]


def test_masks_are_named_after_the_link_not_its_target(tmp_path, capsys, segmented):
    scans_in(tmp_path / "annex", "MD5E-1.nii.gz")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "sub-01.nii.gz").symlink_to(tmp_path / "annex" / "MD5E-1.nii.gz")
    for scans in ("tree", "tree/sub-01.nii.gz"):
        assert main(["segment", str(tmp_path / scans), "-o", str(tmp_path / "m")]) == 0
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["sub-01.nii.gz"]
    assert segmented == ["sub-01"]


def test_an_output_that_is_no_file_is_refused(tmp_path, monkeypatch, capsys, segmented):
    monkeypatch.chdir(scans_in(tmp_path, "a.nii.gz"))
    Path("folder.nii.gz").mkdir()
    os.mkfifo("pipe.nii.gz")
    for name in ("folder.nii.gz", "pipe.nii.gz"):
        assert main(["segment", "a.nii.gz", "-o", name, "--overwrite"]) == 2
        assert f"{name}: is no file but a folder, a pipe" in capsys.readouterr().err
    assert main(["segment", "pipe.nii.gz", "-o", "m.nii.gz"]) == 2
    assert "pipe.nii.gz: a pipe or a device" in capsys.readouterr().err
    assert not segmented


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_names_that_are_not_utf8_work_and_print(tmp_path):
    scan = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"), "caf\udce9.nii.gz")
    write_volume(scan, simple_case(0, 24)[0])
    words = [sys.executable, "-m", "liverlib.cli.main", "segment", scan, "-o", tmp_path / "m"]
    words += ["--report", tmp_path / "r", "--anyway"]  # a toy
    done = subprocess.run(words, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert rb"caf\udce9.nii.gz: 0 background" in done.stdout
    assert (tmp_path / "m" / scan.name).is_file()
    assert len(list((tmp_path / "r").iterdir())) == 3


def test_a_mask_that_a_format_cannot_hold_stops_no_other(tmp_path, capsys, segmented):
    pytest.importorskip("trimesh", reason="the extra formats is not installed")
    folder = scans_in(tmp_path, "body.nii.gz")
    scan, _ = simple_case()
    write_volume(folder / "air.nii.gz", np.full_like(scan.voxels, -1000), scan.grid)
    assert main(["segment", str(folder), "-o", str(tmp_path / "out"), "--format", "glb"]) == 1
    assert "air: the mask holds no liver" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["body.glb"]
    assert segmented == ["air", "body"]
