"""What `read_scan` refuses, with which message, and what `find_scans` gives it to read."""

import numpy as np
import pytest
from nifti_files import NUMBERS, raw_file, stored

from liverlib.core.errors import LiverlibError
from liverlib.io.scan import find_scans, read_scan


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
