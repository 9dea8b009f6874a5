"""Scans, labels and masks in NIfTI files."""

import os
import stat

import nibabel as nib
import numpy as np
import pytest
from nifti_files import NUMBERS, raw_file, stored

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import nifti_files, read_header, read_label, volume_name, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume

OBLIQUE = np.array(
    [[0.9, 0.1, -0.2, 10], [-0.1, 0.8, 0.3, -20], [0.2, -0.2, 2.4, 30], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("affine", [OBLIQUE, np.diag([-0.7, -0.7, 5, 1.0])], ids=["oblique", "LPS"])
def test_a_mask_is_written_on_the_files_own_grid(tmp_path, affine):
    original = nib.load(stored(tmp_path / "scan.nii.gz", NUMBERS, affine, qform_code=1))
    scan = read_scan(tmp_path / "scan.nii.gz")
    write_volume(tmp_path / "mask.nii.gz", (scan.voxels > 60).astype(np.uint8), scan.grid)
    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, original.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), NUMBERS > 60)
    assert mask.header.get_xyzt_units() == original.header.get_xyzt_units()
    assert mask.header["sform_code"] == original.header["sform_code"]
    assert mask.get_data_dtype() == np.uint8


@pytest.mark.parametrize(("slope", "inter", "dtype"), [(1, -1024, "i2"), (0.5, 3, "f4")])
def test_slope_and_intercept_are_applied(tmp_path, slope, inter, dtype):
    path = raw_file(tmp_path / "a.nii", NUMBERS, scl_slope=slope, scl_inter=inter)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels, NUMBERS * slope + inter)
    assert scan.voxels.dtype == dtype


def test_equal_voxels_give_equal_bytes(tmp_path):
    grid = Grid.of(NUMBERS.shape, np.diag([1.0, 1, 3, 1]), "LPS")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, NUMBERS, grid)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_the_real_scan_has_the_known_volume(shared):
    scan = read_scan(shared / "ct_3mm" / "image.nii.gz")
    label = read_label(shared / "ct_3mm" / "label.nii.gz", scan)
    assert np.count_nonzero(label.voxels) == 41_692
    assert np.count_nonzero(label.voxels) * label.grid.voxel_ml == pytest.approx(1126, abs=1)


@pytest.mark.parametrize("value", [255, -1, 0.5, 3])
def test_labels_hold_three_classes_or_are_refused(tmp_path, value):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 1, 1] = value
    path = stored(tmp_path / "label.nii.gz", array, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(LiverlibError, match=f"label holds {value:g}"):
        read_label(path)
    assert read_label(path, classes={value: 2}).voxels.max() == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_a_float_label_that_was_scaled_to_integers_is_read(tmp_path, dtype):
    label = np.zeros((4, 4, 4))
    label[1:3], label[1, 1, 1] = 1, 2
    image = nib.Nifti1Image(label, np.diag([2.0, 2, 2, 1]))
    image.set_data_dtype(dtype)
    nib.save(image, tmp_path / "label.nii.gz")
    assert not np.isin(nib.load(tmp_path / "label.nii.gz").get_fdata(), (0, 1, 2)).all()
    np.testing.assert_array_equal(read_label(tmp_path / "label.nii.gz").voxels, label)


def test_an_interpolated_label_is_told_from_one_of_other_classes(tmp_path):
    label = np.full((4, 4, 4), 0.9999)
    with pytest.raises(LiverlibError, match=r"holds 0\.9999;.* interpolated.* nearest neighbour"):
        read_label(stored(tmp_path / "label.nii.gz", label, np.diag([2.0, 2, 2, 1])))


@pytest.mark.parametrize("classes", [{1: 2, 2: 1}, {2: 1, 1: 2}])
def test_classes_are_renamed_all_at_once(tmp_path, classes):
    array = np.zeros((4, 4, 4), np.uint8)
    array[1:3], array[1, 1, 1] = 2, 1  # liver and tumour the other way round
    path = stored(tmp_path / "label.nii.gz", array, np.diag([2.0, 2, 2, 1]))
    assert np.bincount(read_label(path, classes=classes).voxels.ravel()).tolist() == [32, 31, 1]


@pytest.mark.parametrize("what", ["shape", "affine"])
def test_a_label_must_lie_on_its_scans_grid(tmp_path, what):
    scan = read_scan(stored(tmp_path / "scan.nii.gz", NUMBERS, np.diag([2.0, 2, 2, 1])))
    other = NUMBERS[:3] if what == "shape" else NUMBERS
    affine = np.diag([2.0, 2, 2 if what == "shape" else 2.5, 1])
    path = stored(tmp_path / "label.nii.gz", np.zeros_like(other), affine)
    with pytest.raises(LiverlibError, match=f"its {what} is"):
        read_label(path, scan)


def test_an_all_background_label_is_allowed(tmp_path):
    path = stored(tmp_path / "label.nii.gz", np.zeros_like(NUMBERS), np.diag([2.0, 2, 2, 1]))
    assert not read_label(path).voxels.any()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(LiverlibError, match="cannot be written"):
        write_volume(tmp_path / "a.nii.gz", NUMBERS, Grid.of(NUMBERS.shape, np.eye(4)))


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LiverlibError, match="cannot be written"):
        write_volume(tmp_path / "file" / "a.nii.gz", NUMBERS, Grid.of(NUMBERS.shape, np.eye(4)))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path, grid = tmp_path / "a.nii.gz", Grid.of(NUMBERS.shape, np.diag([2.0, 2, 2, 1]))
    write_volume(path, NUMBERS, grid)
    before = path.read_bytes()
    monkeypatch.setattr("liverlib.io.nifti_bytes.GzipFile.write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_volume(path, NUMBERS + 1, grid)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_volume_is_written_as_its_voxels_and_grid_are(tmp_path):
    grid = Grid.of(NUMBERS.shape, np.diag([1.0, 1, 3, 1]), "LPS")
    write_volume(tmp_path / "a.nii.gz", NUMBERS, grid, slope=0.5)
    write_volume(tmp_path / "b.nii.gz", Volume(NUMBERS, grid, "b"), slope=0.5)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    np.testing.assert_array_equal(read_scan(tmp_path / "b.nii.gz").voxels, NUMBERS / 2)
    with pytest.raises(TypeError, match="needs the grid"):
        write_volume(tmp_path / "c.nii.gz", NUMBERS)


def test_voxels_that_do_not_fit_their_grid_or_the_ending_are_refused(tmp_path):
    grid = Grid.of(NUMBERS.shape, np.diag([2.0, 2, 3, 1]))
    with pytest.raises(LiverlibError, match="the voxels' shape is"):
        write_volume(tmp_path / "a.nii.gz", NUMBERS[:-1], grid)
    with pytest.raises(LiverlibError, match=r"a\.nrrd: a volume is written as \.nii\.gz"):
        write_volume(tmp_path / "a.nrrd", NUMBERS, grid)
    assert not list(tmp_path.iterdir())
    write_volume(tmp_path / "b.nii.gz", NUMBERS > 60, grid)
    np.testing.assert_array_equal(read_label(tmp_path / "b.nii.gz").voxels, NUMBERS > 60)


def test_a_folders_files_and_their_grids_are_known_without_reading_voxels(tmp_path):
    for name in ("liver_10.nii.gz", "liver_2.nii", "liver_2.nii.txt", "._liver_2.nii"):
        stored(tmp_path / "whole.nii", NUMBERS, np.diag([2.0, 2, 2, 1])).rename(tmp_path / name)
    listed = nifti_files(tmp_path)
    assert listed == [(volume_name(path), path) for _, path in listed]
    assert [name for name, _ in listed] == ["liver_2", "liver_10"]
    assert read_header(listed[0][1]).shape == NUMBERS.shape


def test_a_file_says_what_it_was_told_and_nothing_of_another(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    scan = read_scan(stored(tmp_path / "scan.nii.gz", NUMBERS, affine, descrip=b"TE=2.1;Time=1200"))
    for note in ("", "liverlib's"):
        write_volume(tmp_path / "mask.nii.gz", NUMBERS, scan.grid, note=note)
        mask = nib.load(tmp_path / "mask.nii.gz")
        assert mask.header["descrip"].item() == note.encode()
        np.testing.assert_array_equal(mask.affine, affine)
        np.testing.assert_array_equal(np.asarray(mask.dataobj), NUMBERS)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.NII.GZ", "a.Nii", "a"])
def test_a_name_is_without_its_suffixes(name):
    assert volume_name(f"folder.nii/{name}") == "a"
