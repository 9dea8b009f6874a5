"""What `read_scan` refuses, with which message, and what `find_scans` gives it to read."""

import os

import numpy as np
import pytest
from nifti_files import NUMBERS, raw_file, stored

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import read_header, read_label
from liverlib.io.scan import find_scans, passed_over, read_scan, scan_name


def fault(path, kind):
    """Makes a file with one fault."""
    affine = np.diag([2.0, 2, 2, 1])
    whole = stored(path.with_name("whole.nii.gz"), NUMBERS, affine).read_bytes()
    arrays = {
        "2D": NUMBERS[0],
        "4D": np.stack([NUMBERS] * 2, -1),
        "one slice": NUMBERS[:, :, :1],
        "NaN": np.where(NUMBERS == 7, np.nan, NUMBERS).astype(np.float32),
        "infinite": np.where(NUMBERS == 7, np.inf, NUMBERS).astype(np.float32),
    }
    if kind in arrays:
        stored(path, arrays[kind], affine)
    elif kind == "singular":
        raw_file(path, NUMBERS, srow_y=[0, 0, 0, 0])
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "corrupt":
        path.write_bytes(whole[:-40] + bytes(30) + whole[-10:])
    elif kind == "not NIfTI":
        path.write_bytes(b"a shopping list, rather long, " * 40)
    elif kind == "DICOM":
        path.write_bytes(bytes(128) + b"DICM" + bytes(1000))
    elif kind == "empty":
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("2D", "three axes"),
        ("4D", "three axes"),
        ("one slice", "at least two voxels"),
        ("NaN", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
        ("singular", "affine"),
        ("truncated", "truncated or corrupt"),
        ("corrupt", "truncated or corrupt"),
        ("not NIfTI", "not a NIfTI"),
        ("empty", "truncated or corrupt|not a NIfTI"),
        ("missing", "no such file"),
        ("DICOM", "For DICOM name the folder"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path, kind, text):
    path = fault(tmp_path / "scan.nii.gz", kind)
    with pytest.raises(LiverlibError, match=text) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)


def test_the_scans_of_a_folder_are_its_nifti_files_in_the_order_of_their_numbers(tmp_path):
    for name in ("scan_10.nii", "scan_2.nii.gz", "._scan_2.nii.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in find_scans(tmp_path)] == ["scan_2.nii.gz", "scan_10.nii"]
    assert find_scans(tmp_path / "scan_10.nii") == [tmp_path / "scan_10.nii"]


def test_other_folders_are_left_to_the_reader_of_dicom(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"")
    assert find_scans(tmp_path) == [tmp_path]
    assert find_scans(tmp_path / "nowhere") == [tmp_path / "nowhere"]


@pytest.mark.parametrize("read", [read_scan, read_label, read_header])
def test_pipes_and_links_to_nothing_are_refused_and_do_not_hang(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.nii.gz")
    (tmp_path / "loop.nii.gz").symlink_to("loop.nii.gz")
    (tmp_path / "gone.nii.gz").symlink_to("nowhere.nii.gz")
    for name, text in (("pipe", "a pipe"), ("loop", "a loop"), ("gone", "a link to nowhere")):
        with pytest.raises(LiverlibError, match=rf"{name}\.nii\.gz: {text}"):
            read(tmp_path / f"{name}.nii.gz")


def dicom_like(path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + bytes(100))


def test_dicom_folders_beside_files_are_scans_and_the_rest_is_passed_over(tmp_path):
    for name in ("a.nii.gz", "B.NII.GZ", "c.Nii", "d.mha", "e.txt", ".f.nii"):
        (tmp_path / name).write_bytes(b"")
    for name in ("ct/1", "ct/2", "loose.dcm", ".hidden/1"):
        dicom_like(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "g.nii").write_bytes(b"")
    (tmp_path / "h.nii.gz").mkdir()  # a folder of that name
    (tmp_path / "linked").symlink_to("ct")
    (tmp_path / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "empty" / "pipe")
    names = [path.name for path in find_scans(tmp_path)]
    assert names == ["B.NII.GZ", "a.nii.gz", "c.Nii", "ct", "linked"]
    assert [path.name for path in passed_over(tmp_path)] == ["d.mha", "loose.dcm", "nested", "up"]
    assert passed_over(tmp_path / "ct") == passed_over(tmp_path / "a.nii.gz") == []


def test_a_scan_is_called_as_the_link_to_it(tmp_path, monkeypatch):
    (tmp_path / "SHA256-1.nii.gz").write_bytes(b"")
    (tmp_path / "sub-01.nii.gz").symlink_to("SHA256-1.nii.gz")
    (tmp_path / "loop.nii").symlink_to("loop.nii")
    names = ["sub-01.nii.gz", "loop.nii", "B.NII.GZ", "caf\udce9.nii"]
    assert [scan_name(tmp_path / name) for name in names] == ["sub-01", "loop", "B", r"caf\udce9"]
    monkeypatch.chdir(tmp_path)
    assert scan_name(".") == tmp_path.name
    assert scan_name("/") == "scan"


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def refused(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refused)
    with pytest.raises(LiverlibError, match=r"cannot be listed \(Permission denied\)"):
        find_scans(tmp_path)
