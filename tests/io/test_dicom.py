import sys

import nibabel as nib
import numpy as np
import pytest

from liverlib.core.errors import LiverlibError
from liverlib.io.dicom import read_dicom
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import find_scans, read_scan
from liverlib.io.volume import Grid

pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")

from dicom_files import AXIAL, CORONAL, VOXELS, rewrite, write_series  # noqa: E402


def world(direction, origin, step, column, row, k) -> np.ndarray:
    """Where DICOM says that a pixel lies (PS3.3 C.7.6.2.1.1), turned from LPS to RAS."""
    across, down = np.array(direction, float).reshape(2, 3)
    in_plane = across * 0.7 * column + down * 0.8 * row
    return (origin + in_plane + np.cross(across, down) * step * k) * [-1, -1, 1]


def test_the_real_slab_lies_on_its_masks_grid(shared):
    scan = read_dicom(shared / "ct_dicom" / "slices")
    label = read_label(shared / "ct_dicom" / "label.nii.gz", like=scan)
    assert scan.grid.orientation == label.grid.orientation == "LAS"
    np.testing.assert_allclose(scan.grid.affine, label.grid.affine, atol=1e-9)
    header, expected = scan.grid.header, nib.load(shared / "ct_dicom" / "label.nii.gz").affine
    np.testing.assert_allclose(header.get_best_affine(), expected, atol=1e-4)
    liver = scan.voxels[label.voxels == 1]
    assert (scan.voxels.dtype, scan.voxels.shape) == (np.int16, (512, 512, 20))
    assert liver.size == 366_708
    assert liver.mean() == pytest.approx(89.3, abs=0.1)  # turned or mirrored: -75 to 77
    assert liver.std() < 25


def test_the_real_slab_holds_each_files_own_pixels(shared):
    path = shared / "ct_dicom" / "slices" / "30000022120808113428000016573.dcm"
    header = pydicom.dcmread(path)
    scan = read_dicom(path.parent)
    stored = scan.grid.to_stored(scan.voxels)  # its z is the highest of all
    np.testing.assert_array_equal(stored[:, :, -1], header.pixel_array[::-1].T.astype(int) - 1024)


@pytest.mark.parametrize("direction", [AXIAL, CORONAL, [0, 1, 0, 0, 0, -1]])
def test_every_voxel_lies_where_dicom_says(tmp_path, direction):
    write_series(tmp_path / "ct", direction=direction)
    scan = read_dicom(tmp_path / "ct")
    to_voxel = np.linalg.inv(scan.grid.affine)
    for column, row, k in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (2, 3, 1)):
        position = world(direction, np.array([-30, 20, -100]), 2.5, column, row, k)
        at = (to_voxel @ [*position, 1])[:3]
        np.testing.assert_allclose(at, at.round(), atol=1e-4)
        assert scan.voxels[tuple(at.round().astype(int))] == VOXELS[column, row, k]
    assert scan.name == "ct"
    assert scan.grid.spacing_known


def test_an_axial_scan_is_stored_as_dcm2niix_stores_it(tmp_path):
    write_series(tmp_path / "ct")
    scan = read_dicom(tmp_path / "ct")
    np.testing.assert_array_equal(scan.grid.to_stored(scan.voxels), VOXELS[:, ::-1])
    np.testing.assert_allclose(scan.grid.spacing, [0.7, 0.8, 2.5])
    write_volume(tmp_path / "mask.nii.gz", np.ones(VOXELS.shape, np.uint8), scan.grid)
    assert read_label(tmp_path / "mask.nii.gz", like=scan).grid.orientation == "LAS"


def test_slopes_that_are_no_integers_make_float32(tmp_path):
    write_series(tmp_path / "ct", RescaleSlope=0.5)
    scan = read_dicom(tmp_path / "ct")
    assert scan.voxels.dtype == np.float32
    expected = (VOXELS[:, ::-1].astype(float) + 1024) * 0.5 - 1024
    np.testing.assert_allclose(scan.grid.to_stored(scan.voxels), expected)


def test_several_series_are_listed_and_one_can_be_named(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct", VOXELS[:, :, :3] + 1, SeriesNumber="8", SeriesDescription="lung")
    with pytest.raises(
        LiverlibError, match=r"several CT series:\n.*7.*“abdomen”  4 sl.*\n.*“lung”"
    ):
        read_dicom(tmp_path / "ct")
    for name, slices in (("7", 4), ("lung", 3)):
        assert read_dicom(tmp_path / "ct", name).voxels.shape[2] == slices
    with pytest.raises(LiverlibError, match="'9' is not one of these"):
        read_dicom(tmp_path / "ct", "9")


def test_a_slice_with_another_description_is_not_left_out(tmp_path):
    path = write_series(tmp_path / "ct")[3]
    header = pydicom.dcmread(path)
    header.SeriesDescription = "abdomen, last"
    pydicom.dcmwrite(path, header)
    assert read_dicom(tmp_path / "ct", "abdomen").voxels.shape[2] == 4


def test_series_that_were_given_one_uid_can_be_told_by_their_names(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct", SeriesNumber="8", SeriesDescription="lung")
    with pytest.raises(LiverlibError, match="several CT series"):
        read_dicom(tmp_path / "ct")
    assert read_dicom(tmp_path / "ct", "lung").voxels.shape[2] == 4


def test_hidden_folders_are_left_out(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct" / ".trash")
    assert read_dicom(tmp_path / "ct").voxels.shape[2] == 4


def test_a_missing_slice_is_noticed(tmp_path):
    write_series(tmp_path / "ct")[1].unlink()
    with pytest.raises(LiverlibError, match=r"\.dcm: lies .* mm from .*missing"):
        read_dicom(tmp_path / "ct")


def test_two_slices_at_the_same_position_are_noticed(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct" / "again", VOXELS[:, :, :1])
    with pytest.raises(LiverlibError, match=r"lies where .* several volumes"):
        read_dicom(tmp_path / "ct")


def test_a_tilted_gantry_is_noticed_and_measured(tmp_path):
    write_series(tmp_path / "ct", tilt=2.5 * np.tan(np.radians(12)))
    with pytest.raises(LiverlibError, match=r"tilted by 12\.0°.*dcm2niix"):
        read_dicom(tmp_path / "ct")


def test_positions_may_be_rounded(tmp_path):
    paths = write_series(tmp_path / "ct")
    header = pydicom.dcmread(paths[2])
    header.ImagePositionPatient[2] += 0.05
    pydicom.dcmwrite(paths[2], header)
    assert read_dicom(tmp_path / "ct").grid.spacing[2] == pytest.approx(2.5)


def test_a_slice_of_another_size_is_named(tmp_path):
    write_series(tmp_path / "ct")
    (scout,) = write_series(tmp_path / "ct" / "scout", np.zeros((9, 9, 1)), origin=(0, 0, 500))
    with pytest.raises(LiverlibError, match=rf"{scout.name}: Rows is 9.*scout"):
        read_dicom(tmp_path / "ct")


def test_what_is_not_ct_is_passed_over(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct" / "more", Modality="MR", SeriesInstanceUID="1.2.4")
    (tmp_path / "ct" / "notes.txt").write_text("nothing")
    (tmp_path / "ct" / "._1.dcm").write_bytes(b"\0" * 200)
    assert read_dicom(tmp_path / "ct").voxels.shape == VOXELS.shape


def test_folders_without_slices_are_named(tmp_path):
    with pytest.raises(LiverlibError, match="no such folder"):
        read_dicom(tmp_path / "nowhere")
    with pytest.raises(LiverlibError, match=r"holds no CT slices.*Name a NIfTI scan by its file"):
        read_dicom(tmp_path)
    write_series(tmp_path / "one", VOXELS[:, :, :1])
    with pytest.raises(LiverlibError, match="only slice"):
        read_dicom(tmp_path / "one")


def test_a_truncated_file_is_named(tmp_path):
    path = write_series(tmp_path / "ct")[2]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LiverlibError, match=path.name):
        read_dicom(tmp_path / "ct")


def test_pixels_that_cannot_be_unpacked_are_named(tmp_path):
    for path in write_series(tmp_path / "ct"):
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        header.PixelData = pydicom.encaps.encapsulate([b"no picture"])
        header["PixelData"].is_undefined_length = True
        pydicom.dcmwrite(path, header)
    with pytest.raises(LiverlibError, match=r"\.dcm: its pixels cannot be unpacked|corrupt"):
        read_dicom(tmp_path / "ct")


def test_without_pydicom_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(LiverlibError, match=r"pip install pydicom.*dcm2niix"):
        read_dicom(tmp_path)


def test_one_function_reads_files_and_folders(tmp_path):
    write_series(tmp_path / "ct")
    scan = read_dicom(tmp_path / "ct")
    for name in ("scan_2.nii.gz", "scan_10.nii"):
        write_volume(tmp_path / "many" / name, scan.voxels, Grid.of(VOXELS.shape, scan.grid.affine))
    paths = find_scans(tmp_path / "many")
    assert [path.name for path in paths] == ["scan_2.nii.gz", "scan_10.nii"]
    assert find_scans(tmp_path / "ct") == [tmp_path / "ct"]
    for path in [*paths, *find_scans(tmp_path / "ct")]:
        np.testing.assert_array_equal(read_scan(path).voxels, scan.voxels)


WRONG_NUMBERS = {
    "RescaleSlope": [b"", b"steep", b"0", b"inf", b"1\\2"],
    "RescaleIntercept": [b"", b"deep", b"nan"],
    "ImagePositionPatient": [b"", b"here", b"1\\2", b"1\\2\\x"],
    "ImageOrientationPatient": [b"", b"axial", b"1\\0\\0\\1\\0\\0"],
    "PixelSpacing": [b"", b"wide", b"0.7", b"0.7\\0", b"-1\\0.7"],
    "Rows": [b"", b"\0\0"],
}


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key, texts in WRONG_NUMBERS.items() for text in texts]
)
def test_attributes_that_are_empty_or_no_numbers_are_named(tmp_path, recwarn, capfd, key, text):
    path = write_series(tmp_path / "ct")[1]
    rewrite(path, key, text)
    recwarn.clear()
    with pytest.raises(LiverlibError, match=rf"{path.name}: .*({key}|pixels).*again"):
        read_dicom(tmp_path / "ct")
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "dtype"), [(40_000, np.int32), (32_767 + 1024, np.int16), (65_535, np.int32)]
)
def test_values_beyond_16_bits_do_not_wrap(tmp_path, value, dtype):
    path = write_series(tmp_path / "ct")[2]
    header = pydicom.dcmread(path)
    pixels = header.pixel_array.copy()
    pixels[2, 3] = value
    header.PixelData = pixels.tobytes()
    header.save_as(path)
    scan = read_dicom(tmp_path / "ct")
    assert scan.voxels.max() == value - 1024
    assert scan.voxels.dtype == dtype
    assert np.count_nonzero(scan.grid.to_stored(scan.voxels) != VOXELS[:, ::-1]) == 1


@pytest.mark.parametrize("fault", ["no magic", "another modality", "no position", "empty"])
def test_a_damaged_slice_at_the_end_is_not_left_out(tmp_path, fault):
    path = write_series(tmp_path / "ct")[-1]
    header = pydicom.dcmread(path)
    if fault == "another modality":
        header.Modality = "CU"
    elif fault == "no position":
        del header.ImagePositionPatient
    header.save_as(path)
    if fault == "no magic":
        path.write_bytes(path.read_bytes().replace(b"DICM", b"DICN", 1))
    elif fault == "empty":
        path.write_bytes(b"")
    with pytest.raises(LiverlibError, match=rf"{path.name}: .*(Copy|Export|copy) it again"):
        read_dicom(tmp_path / "ct")


def test_a_slice_that_may_not_be_read_is_not_called_corrupt(tmp_path, monkeypatch):
    write_series(tmp_path / "ct")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pydicom, "dcmread", refuse)
    with pytest.raises(LiverlibError, match=r"\.dcm: cannot be read \(Permission denied\)"):
        read_dicom(tmp_path / "ct")
