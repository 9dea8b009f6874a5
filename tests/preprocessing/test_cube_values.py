"""What preparing may not change: Hounsfield units, volumes, and the cube of the same scan stored
in any other way."""

import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

SETTINGS = CubeSettings(size=20)
ORIENTATIONS = [
    "".join(signs[i] for i in order)
    for order in itertools.permutations(range(3))
    for signs in itertools.product("RL", "AP", "SI")
]


@pytest.fixture(scope="module")
def case() -> tuple[Volume, Volume]:
    """Sides of three lengths, so that no two axes can be taken for each other."""
    scan, label = simple_case(size=48)
    part = np.s_[:, 3:43, 5:41]
    affine = np.diag([3.0, 3.5, 5, 1])
    grid = Grid.of(scan.voxels[part].shape, affine, "LPS")
    return Volume(scan.voxels[part], grid), Volume(label.voxels[part], grid)


@pytest.fixture(scope="module")
def cube(case) -> Cube:
    return to_cube(*case, SETTINGS)


def same(cube: Cube, other: Cube) -> None:
    np.testing.assert_array_equal(cube.image, other.image)
    np.testing.assert_array_equal(cube.soft_labels, other.soft_labels)
    assert (cube.box, cube.shape) == (other.box, other.shape)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_all_48_orientations_give_the_same_bytes(tmp_path, case, cube, orientation):
    for name, volume in zip(("scan.nii", "label.nii"), case, strict=True):
        grid = Grid.of(volume.voxels.shape, volume.grid.affine, orientation)
        write_volume(tmp_path / name, volume.voxels, grid)
    scan = read_scan(tmp_path / "scan.nii")
    assert scan.grid.orientation == orientation
    same(to_cube(scan, read_label(tmp_path / "label.nii", scan), SETTINGS), cube)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", ">i4", "<f4", ">f4", "<f8"])
def test_every_number_format_gives_the_same_bytes(tmp_path, case, cube, dtype, suffix):
    volumes = []
    for name, volume, read in zip("sl", case, (read_scan, read_label), strict=True):
        header = nib.Nifti1Header(endianness=dtype[0])
        header.set_data_dtype(dtype)
        stored = volume.grid.to_stored(volume.voxels).astype(dtype)
        image = nib.Nifti1Image(stored, volume.grid.header.get_best_affine(), header)
        image.to_filename(tmp_path / f"{name}{suffix}")
        assert nib.load(tmp_path / f"{name}{suffix}").header.endianness == dtype[0]
        volumes.append(read(tmp_path / f"{name}{suffix}"))
    same(to_cube(*volumes, SETTINGS), cube)


@pytest.mark.parametrize(("slope", "inter"), [(1, -1024), (0.5, -1024), (2, 1), (-1, 0)])
def test_slope_and_intercept_give_the_same_bytes(tmp_path, case, slope, inter):
    scan, label = case
    raw = np.rint((scan.voxels.astype(float) - inter) / slope)
    hu = raw * slope + inter  # what the file can hold
    image = nib.Nifti1Image(scan.grid.to_stored(raw).astype(np.int16), None, scan.grid.header)
    image.header.set_slope_inter(slope, inter)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    header["scl_slope"], header["scl_inter"] = slope, inter
    content[:348] = header.binaryblock
    (tmp_path / "scan.nii").write_bytes(content)
    stored = read_scan(tmp_path / "scan.nii")
    np.testing.assert_array_equal(stored.voxels, hu)
    same(to_cube(stored, label, SETTINGS), to_cube(Volume(hu, scan.grid), label, SETTINGS))


def keeps_values(scan: Volume, label: Volume, settings: CubeSettings) -> None:
    """Means within 1 HU, over the box and in the liver; volumes within a thousandth."""
    cube = to_cube(scan, label, settings)
    low, high = settings.window
    native = np.clip(scan.voxels[cube.box].astype(float), low, high)
    hu = low + cube.image * (high - low) / 255
    assert hu.mean() == pytest.approx(native.mean(), abs=1)
    scale = native.size / cube.image.size
    for least, soft_labels in zip((1, 2), cube.soft_labels / 255, strict=True):
        inside = label.voxels >= least
        if inside.any():
            assert soft_labels.sum() * scale == pytest.approx(np.count_nonzero(inside), rel=1e-3)


@pytest.mark.parametrize("index", range(4))
def test_phantoms_keep_hounsfield_units_and_volumes(index):
    scan, label = make_phantom(index, PhantomSettings(size=160))
    keeps_values(scan, label, CubeSettings(size=40))


@pytest.mark.parametrize("name", ["ct_3mm", "liver_crop_128"])
def test_real_scans_keep_hounsfield_units_and_volumes(shared, name):
    scan = read_scan(shared / name / "image.nii.gz")
    label = read_label(shared / name / "label.nii.gz", scan)
    keeps_values(scan, label, CubeSettings(size=64))


def test_without_isal_files_read_the_same(tmp_path, case, monkeypatch):
    """zlib where isal is missing, as in Colab."""
    write_volume(tmp_path / "scan.nii.gz", case[0].voxels, case[0].grid)
    expected = read_scan(tmp_path / "scan.nii.gz").voxels
    monkeypatch.setattr("liverlib.io.nifti_bytes.igzip", gzip)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan.nii.gz").voxels, expected)
