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

AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]
VOXELS = np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4)).astype(np.int16)  # x, y, z


def write_series(
    folder, voxels=VOXELS, direction=AXIAL, origin=(-30, 20, -100), step=2.5, tilt=0.0, **tags
):
    """Slices (columns, rows) of a volume as DICOM files, in no order of names or numbers."""
    folder.mkdir(exist_ok=True)
    row, column = np.array(direction, float).reshape(2, 3)
    normal = np.cross(row, column)
    paths = []
    for k in range(voxels.shape[2]):
        one = pydicom.Dataset()
        one.Modality, one.SeriesInstanceUID, one.SeriesNumber = "CT", "1.2.3", "7"
        one.SeriesDescription, one.InstanceNumber = "abdomen", (k * 7) % 11
        one.ImagePositionPatient = [*(origin + k * (step * normal + tilt * column)).round(4)]
        one.ImageOrientationPatient, one.PixelSpacing = direction, [0.8, 0.7]  # rows, columns
        one.Columns, one.Rows = voxels.shape[:2]
        one.RescaleSlope, one.RescaleIntercept = 1, -1024
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation, one.SamplesPerPixel = 15, 0, 1
        one.PhotometricInterpretation = "MONOCHROME2"
        one.PixelData = (voxels[:, :, k].T.astype(np.int32) + 1024).astype(np.uint16).tobytes()
        for name, value in tags.items():
            setattr(one, name, value)
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k}"
        paths.append(folder / f"{(k * 5) % 7}-{one.SeriesNumber}{one.SeriesDescription}.dcm")
        pydicom.dcmwrite(paths[-1], one, enforce_file_format=True)
    return paths


def world(direction, origin, step, column, row, k) -> np.ndarray:
    """Where DICOM says that a pixel lies (PS3.3 C.7.6.2.1.1), turned from LPS to RAS."""
    across, down = np.array(direction, float).reshape(2, 3)
    place = origin + across * 0.7 * column + down * 0.8 * row + np.cross(across, down) * step * k
    return place * [-1, -1, 1]


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
    one = pydicom.dcmread(path)
    scan = read_dicom(path.parent)
    stored = scan.grid.to_stored(scan.voxels)  # its z is the highest of all
    np.testing.assert_array_equal(stored[:, :, -1], one.pixel_array[::-1].T.astype(int) - 1024)


@pytest.mark.parametrize("direction", [AXIAL, CORONAL, [0, 1, 0, 0, 0, -1]])
def test_every_voxel_lies_where_dicom_says(tmp_path, direction):
    write_series(tmp_path / "ct", direction=direction)
    scan = read_dicom(tmp_path / "ct")
    to_voxel = np.linalg.inv(scan.grid.affine)
    for column, row, k in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (2, 3, 1)):
        place = world(direction, np.array([-30, 20, -100]), 2.5, column, row, k)
        at = (to_voxel @ [*place, 1])[:3]
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


def test_a_missing_slice_is_noticed(tmp_path):
    write_series(tmp_path / "ct")[1].unlink()
    with pytest.raises(LiverlibError, match=r"\.dcm: lies .* mm from .*missing"):
        read_dicom(tmp_path / "ct")


def test_two_slices_at_one_place_are_noticed(tmp_path):
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
    one = pydicom.dcmread(paths[2])
    one.ImagePositionPatient[2] += 0.05
    pydicom.dcmwrite(paths[2], one)
    assert read_dicom(tmp_path / "ct").grid.spacing[2] == pytest.approx(2.5)


def test_a_slice_of_another_size_is_named(tmp_path):
    write_series(tmp_path / "ct")
    (scout,) = write_series(tmp_path / "ct" / "scout", np.zeros((9, 9, 1)), origin=(0, 0, 500))
    with pytest.raises(LiverlibError, match=rf"{scout.name}: Rows is 9.*scout"):
        read_dicom(tmp_path / "ct")


def test_what_is_not_ct_is_passed_over(tmp_path):
    write_series(tmp_path / "ct")
    write_series(tmp_path / "ct" / "more", Modality="MR")
    (tmp_path / "ct" / "notes.txt").write_text("nothing")
    (tmp_path / "ct" / "._1.dcm").write_bytes(b"\0" * 200)
    assert read_dicom(tmp_path / "ct").voxels.shape == VOXELS.shape


def test_folders_without_slices_are_named(tmp_path):
    with pytest.raises(LiverlibError, match="no such folder"):
        read_dicom(tmp_path / "nowhere")
    with pytest.raises(LiverlibError, match="holds no CT slices"):
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
        one = pydicom.dcmread(path)
        one.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        one.PixelData = pydicom.encaps.encapsulate([b"no picture"])
        one["PixelData"].is_undefined_length = True
        pydicom.dcmwrite(path, one)
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
    found = find_scans(tmp_path / "many")
    assert [path.name for path in found] == ["scan_2.nii.gz", "scan_10.nii"]
    assert find_scans(tmp_path / "ct") == [tmp_path / "ct"]
    for path in [*found, *find_scans(tmp_path / "ct")]:
        np.testing.assert_array_equal(read_scan(path).voxels, scan.voxels)
