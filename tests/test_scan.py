import itertools
import os
import stat

import nibabel as nib
import numpy as np
import pytest

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume

OBLIQUE = np.array(
    [[0.9, 0.1, -0.2, 10], [-0.1, 0.8, 0.3, -20], [0.2, -0.2, 2.4, 30], [0, 0, 0, 1.0]]
)
ORIENTATIONS = [
    "".join(signs[i] for i in order)
    for order in itertools.permutations(range(3))
    for signs in itertools.product("RL", "AP", "SI")
]


def stored(path, array, affine, **header):
    """Writes an array as nibabel does, with header fields changed afterwards."""
    image = nib.Nifti1Image(array, affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def raw_file(path, array, **header):
    """The bytes of a .nii with header fields as given, however wrong."""
    written = nib.Nifti1Header()
    written.set_data_shape(array.shape)
    written.set_data_dtype(array.dtype)
    written.set_sform(np.diag([2.0, 2, 2, 1]), code=1)
    written["vox_offset"], written["magic"] = 352, b"n+1"
    for name, value in header.items():
        written[name] = value
    path.write_bytes(written.binaryblock + bytes(4) + array.tobytes("F"))
    return path


@pytest.fixture
def numbers():
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_gives_the_same_voxels_at_the_same_places(tmp_path, orientation, numbers):
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    affine[:3, 3] = -30, 12, 100
    path = tmp_path / "scan.nii.gz"
    write_volume(path, numbers, Grid.of(numbers.shape, affine, orientation))
    assert "".join(nib.aff2axcodes(nib.load(path).affine)) == orientation
    scan = read_scan(path)
    assert scan.grid.orientation == orientation
    np.testing.assert_array_equal(scan.voxels, numbers)
    np.testing.assert_allclose(scan.grid.affine, affine, atol=1e-4)
    np.testing.assert_allclose(scan.grid.voxel_ml, 0.7 * 0.8 * 2.5 / 1000, rtol=1e-5)


@pytest.mark.parametrize("affine", [OBLIQUE, np.diag([-0.7, -0.7, 5, 1.0])], ids=["oblique", "LPS"])
def test_a_mask_is_written_on_the_files_own_grid(tmp_path, affine, numbers):
    original = nib.load(stored(tmp_path / "scan.nii.gz", numbers, affine, qform_code=1))
    scan = read_scan(tmp_path / "scan.nii.gz")
    write_volume(tmp_path / "mask.nii.gz", (scan.voxels > 60).astype(np.uint8), scan.grid)
    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, original.affine)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), numbers > 60)
    assert mask.header.get_xyzt_units() == original.header.get_xyzt_units()
    assert mask.header["sform_code"] == original.header["sform_code"]
    assert mask.get_data_dtype() == np.uint8


def test_reading_turns_axes_without_copying(tmp_path, numbers):
    scan = read_scan(stored(tmp_path / "a.nii", numbers, np.diag([-1.0, -1, 2, 1])))
    assert isinstance(scan.voxels.base, np.memmap | np.ndarray)
    assert scan.voxels.strides[0] < 0
    assert scan.voxels.dtype == np.int16


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f4", ">f8", "u2"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_values_do_not_depend_on_how_they_are_stored(tmp_path, numbers, dtype, suffix):
    image = nib.Nifti1Image(numbers.astype(dtype), np.diag([2.0, 2, 2, 1]))
    image.set_data_dtype(dtype)
    nib.save(image, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_scan(tmp_path / f"a{suffix}").voxels, numbers)


@pytest.mark.parametrize(("slope", "inter", "dtype"), [(1, -1024, "i2"), (0.5, 3, "f4")])
def test_slope_and_intercept_are_applied(tmp_path, numbers, slope, inter, dtype):
    path = raw_file(tmp_path / "a.nii", numbers, scl_slope=slope, scl_inter=inter)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels, numbers * slope + inter)
    assert scan.voxels.dtype == dtype


def test_equal_voxels_give_equal_bytes(tmp_path, numbers):
    grid = Grid.of(numbers.shape, np.diag([1.0, 1, 3, 1]), "LPS")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, numbers, grid)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_false_identity_affine_makes_millilitres_unknown(tmp_path, numbers):
    grid = read_scan(stored(tmp_path / "ircad.nii.gz", numbers, np.eye(4))).grid
    assert not grid.spacing_known
    assert np.isnan(grid.voxel_ml)
    moved = np.eye(4)
    moved[:3, 3] = 5
    assert read_scan(stored(tmp_path / "true.nii.gz", numbers, moved)).grid.spacing_known


def test_the_real_scan_has_the_known_volume(shared):
    scan = read_scan(shared / "ct_3mm" / "image.nii.gz")
    label = read_label(shared / "ct_3mm" / "label.nii.gz", scan)
    assert np.count_nonzero(label.voxels) == 41_692
    assert np.count_nonzero(label.voxels) * label.grid.voxel_ml == pytest.approx(1126, abs=1)


def fault(path, numbers, kind):
    """Makes a file with one fault."""
    affine = np.diag([2.0, 2, 2, 1])
    whole = stored(path.with_name("whole.nii.gz"), numbers, affine).read_bytes()
    arrays = {
        "2D": numbers[0],
        "4D": np.stack([numbers] * 2, -1),
        "one slice": numbers[:, :, :1],
        "NaN": np.where(numbers == 7, np.nan, numbers).astype(np.float32),
        "infinite": np.where(numbers == 7, np.inf, numbers).astype(np.float32),
    }
    if kind in arrays:
        stored(path, arrays[kind], affine)
    elif kind == "singular":
        raw_file(path, numbers, srow_y=[0, 0, 0, 0])
    elif kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "corrupt":
        path.write_bytes(whole[:-40] + bytes(30) + whole[-10:])
    elif kind == "not NIfTI":
        path.write_bytes(b"a shopping list, rather long, " * 40)
    elif kind == "empty":
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
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
    ],
)
def test_bad_files_are_named_with_what_is_wrong(tmp_path, numbers, kind, text):
    path = fault(tmp_path / "scan.nii.gz", numbers, kind)
    with pytest.raises(LiverlibError, match=text) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)


def test_a_header_that_claims_more_than_the_file_can_hold_is_refused(tmp_path, numbers):
    path = stored(tmp_path / "a.nii.gz", numbers, np.eye(4))
    header = nib.load(path).header.copy()
    header["dim"][1:4], header["vox_offset"] = 32767, 352
    with nib.openers.ImageOpener(path, "wb") as file:
        file.write(header.binaryblock + bytes(1000))
    with pytest.raises(LiverlibError, match="its header claims"):
        read_scan(path)


@pytest.mark.parametrize("value", [255, -1, 0.5, 3])
def test_labels_hold_three_classes_or_are_refused(tmp_path, value):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 1, 1] = value
    path = stored(tmp_path / "label.nii.gz", array, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(LiverlibError, match=f"label holds {value:g}"):
        read_label(path)
    assert read_label(path, classes={value: 2}).voxels.max() == 2


@pytest.mark.parametrize("what", ["shape", "affine"])
def test_a_label_must_lie_on_its_scans_grid(tmp_path, numbers, what):
    scan = read_scan(stored(tmp_path / "scan.nii.gz", numbers, np.diag([2.0, 2, 2, 1])))
    other = numbers[:3] if what == "shape" else numbers
    affine = np.diag([2.0, 2, 2 if what == "shape" else 2.5, 1])
    path = stored(tmp_path / "label.nii.gz", np.zeros_like(other), affine)
    with pytest.raises(LiverlibError, match=f"its {what} is"):
        read_label(path, scan)


def test_an_all_background_label_is_allowed(tmp_path, numbers):
    path = stored(tmp_path / "label.nii.gz", np.zeros_like(numbers), np.diag([2.0, 2, 2, 1]))
    assert not read_label(path).voxels.any()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, numbers):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(LiverlibError, match="cannot be written"):
        write_volume(tmp_path / "a.nii.gz", numbers, Grid.of(numbers.shape, np.eye(4)))


def test_a_file_where_a_folder_should_be_is_named(tmp_path, numbers):
    (tmp_path / "file").write_text("")
    with pytest.raises(LiverlibError, match="cannot be written"):
        write_volume(tmp_path / "file" / "a.nii.gz", numbers, Grid.of(numbers.shape, np.eye(4)))


def test_a_failed_write_leaves_the_old_file(tmp_path, numbers, monkeypatch):
    path, grid = tmp_path / "a.nii.gz", Grid.of(numbers.shape, np.diag([2.0, 2, 2, 1]))
    write_volume(path, numbers, grid)
    before = path.read_bytes()
    monkeypatch.setattr("liverlib.io.nifti_bytes.GzipFile.write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_volume(path, numbers + 1, grid)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_volume_says_little_about_itself():
    grid = Grid.of((2, 3, 4), np.eye(4))
    assert "sizeof_hdr" not in repr(Volume(np.zeros((2, 3, 4)), grid, "x"))
