"""``liverlib segment`` and ``liverlib lesions``: files in, files out."""

import json
import shutil
import sys

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, write_volume
from liverlib.models.weights import PRETRAINED


@pytest.fixture
def scan_file(tmp_path):
    scan, label = simple_case()
    write_volume(tmp_path / "ct.nii.gz", scan.voxels, scan.grid)
    write_volume(tmp_path / "label.nii.gz", label.voxels, label.grid)
    return tmp_path / "ct.nii.gz"


def test_the_pretrained_weights_are_used_where_no_others_are_named(scan_file, tmp_path, capsys):
    mask = tmp_path / "mask.nii.gz"
    assert main(["segment", str(scan_file), "-o", str(mask)]) == 0
    printed = capsys.readouterr().out
    assert PRETRAINED.name in printed and "Not a medical device" in printed
    image, scan = nib.load(mask), nib.load(scan_file)
    assert image.shape == scan.shape
    np.testing.assert_array_equal(image.affine, scan.affine)
    assert set(np.unique(np.asarray(image.dataobj))) <= {0, 1, 2}


def test_probabilities_and_a_report_lie_beside_the_mask(scan_file, tmp_path):
    out = tmp_path / "out"
    words = ["--tta", "--probabilities", "--report", str(out), "--min-lesion-probability", "0"]
    assert main(["segment", str(scan_file), "-o", str(out / "m.nii.gz"), *words]) == 0
    assert {path.name for path in (out / "probabilities").iterdir()} == {
        "m_liver.nii.gz",
        "m_tumour.nii.gz",
    }
    assert {path.name for path in out.iterdir()} >= {"ct.html", "ct.csv", "ct.json", "m.nii.gz"}
    table = json.loads((out / "ct.json").read_text())
    assert len(table["tumour_ml_each"]) == 4  # one for each shift


def test_lesions_of_a_mask_are_measured(scan_file, tmp_path, capsys):
    label = tmp_path / "label.nii.gz"
    assert main(["lesions", str(scan_file), str(label), "-o", str(tmp_path / "report")]) == 0
    (lesion,) = json.loads((tmp_path / "report" / "ct.json").read_text())["lesions"]
    assert lesion["voxels"] == np.count_nonzero(read_label(label).voxels == 2)


@pytest.mark.parametrize("kind", ["nii", "seg.nrrd", "stl", "glb"])
def test_masks_of_a_folder_are_written_in_the_format_asked_for(kind, scan_file, tmp_path, capsys):
    for module in ("nrrd", "trimesh", "skimage"):
        pytest.importorskip(module, reason="the extra formats is not installed")
    (folder := tmp_path / "scans").mkdir()
    scan_file.rename(folder / "a.nii.gz")
    shutil.copy(folder / "a.nii.gz", folder / "b.nii.gz")
    out = tmp_path / "out"
    words = ["segment", str(folder), "-o", str(out), "--format", kind, "--preview", "--itk-snap"]
    assert main(words) == 0
    names = {path.name for path in out.iterdir() if not path.name.endswith("_tumour.stl")}
    assert names == {f"a.{kind}", f"b.{kind}", "previews", "contact_sheet.png", "itk-snap.label"}
    assert {path.name for path in (out / "previews").iterdir()} == {"a.png", "b.png"}
    capsys.readouterr()
    assert main(words) == 0  # what liverlib wrote it may write again, and need not
    assert "2 of 2 masks were there" in capsys.readouterr().out


def test_a_segment_that_was_renamed_or_moved_is_not_replaced(scan_file, tmp_path, capsys):
    nrrd = pytest.importorskip("nrrd", reason="the extra formats is not installed")
    mask, field = tmp_path / "m.seg.nrrd", "Segment0_Name"
    swapped = {field: "Tumour", "Segment1_Name": "Liver"}
    for change in ({field: "by hand"}, swapped, {"space origin": np.array([1.0, 2, 3])}):
        words = ["segment", str(scan_file), "-o", str(mask)]
        assert main([*words, "--overwrite"]) == 0
        voxels, header = nrrd.read(str(mask))
        nrrd.write(str(mask), voxels, header | change)
        assert main([*words, "--all-pieces"]) == 2
        assert "is not as liverlib wrote it" in capsys.readouterr().err


def test_a_missing_library_is_told_before_any_scan_is_segmented(
    scan_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "nrrd", None)
    monkeypatch.setattr(Segmenter, "load", None)  # not called
    assert main(["segment", str(scan_file), "-o", str(tmp_path / "m.seg.nrrd")]) == 2
    assert "pip install pynrrd" in capsys.readouterr().err


def test_the_ending_and_the_format_must_agree(scan_file, tmp_path, capsys):
    for words, text in {
        ("m.nii.gz", "--format", "stl"): "--format stl writes .stl",
        ("m.obj",): "written as .nii.gz, .nii, .seg.nrrd, .dcm, .stl, .glb",
        ("m.dcm",): "no DICOM folder, so its mask cannot be .dcm",
        ("masks", "--format", "dcm"): "no DICOM folder, so its mask cannot be .dcm",
    }.items():
        output, *more = words
        assert main(["segment", str(scan_file), "-o", str(tmp_path / output), *more]) == 2
        assert text in capsys.readouterr().err


def test_files_of_others_are_kept_in_every_format(scan_file, tmp_path, capsys):
    pytest.importorskip("nrrd", reason="the extra formats is not installed")
    for name in ("m.seg.nrrd", "m.stl", "m.glb", "previews/m.png", "itk-snap.label"):
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
        mask = path if name.startswith("m.") else tmp_path / "out" / "m.nii.gz"
        words = ["segment", str(scan_file), "-o", str(mask), "--preview", "--itk-snap"]
        assert main(words) == 2
        assert "It is kept" in capsys.readouterr().err
        assert path.read_bytes() == b"mine"
        path.unlink()


def test_a_corrected_seg_nrrd_is_kept(scan_file, tmp_path, capsys):
    nrrd = pytest.importorskip("nrrd", reason="the extra formats is not installed")
    path = tmp_path / "m.seg.nrrd"
    assert main(["segment", str(scan_file), "-o", str(path)]) == 0
    voxels, header = nrrd.read(str(path))
    voxels[20, 20, 20] = 2 - voxels[20, 20, 20]
    nrrd.write(str(path), voxels, header)
    before = path.read_bytes()
    assert main(["segment", str(scan_file), "-o", str(path)]) == 0
    assert "1 of 1 masks were there" in capsys.readouterr().out
    assert main(["segment", str(scan_file), "-o", str(path), "--tta"]) == 2
    assert "It is kept" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_report_of_another_scan_of_that_name_is_made_anew(tmp_path, capsys):
    for seed, folder in enumerate("pq"):
        write_volume(tmp_path / folder / "ct.nii.gz", simple_case(seed)[0])

    def segment(folder, *more):
        mask = str(tmp_path / f"{folder}.nii.gz")
        words = [str(tmp_path / folder / "ct.nii.gz"), "-o", mask, "--report", str(tmp_path)]
        assert main(["segment", *words, *more]) == 0
        return json.loads((tmp_path / "ct.json").read_text())["origin"]["input_sha256"]

    first, second, again = map(segment, "pqp")
    assert first != second and again == first
    assert segment("p", "--series", "2") == first  # which a NIfTI file has not, but a folder may
    capsys.readouterr()
    assert segment("p") == first and "masks were there" not in capsys.readouterr().out
    assert segment("p") == first and "1 of 1 masks were there" in capsys.readouterr().out
