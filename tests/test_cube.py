import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from conftest import ellipsoid, simple_case
from liverlib.evaluation.overlap import dice
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.boxes import body_box
from liverlib.preprocessing.cube import CubeSettings, to_cube
from liverlib.preprocessing.resample import axis_weights

WHOLE = CubeSettings(crop="all")


def there_and_back(label: Volume, settings: CubeSettings) -> np.ndarray:
    cube = to_cube(label, label, settings)
    return cube.to_grid(cube.soft_labels / np.float32(255))


@pytest.fixture(scope="module")
def liver() -> Volume:
    """A liver-sized ellipsoid on a grid like those of LiTS, 512×512×129."""
    shape, spacing = (512, 512, 129), (0.75, 0.75, 1.6)
    mask = ellipsoid(shape, spacing, (150, 180, 103), (80, 60, 75))
    return Volume(mask.astype(np.uint8), Grid.of(shape, np.diag([*spacing, 1]), "LPS"))


def test_a_perfect_label_survives_the_way_down_and_back(liver):
    back = there_and_back(liver, WHOLE)
    shift = np.subtract(ndimage.center_of_mass(back), ndimage.center_of_mass(liver.voxels))
    assert dice(liver.voxels, back) >= 0.985
    assert np.abs(shift).max() < 0.1


def test_nearest_does_not_survive_it(liver):
    back = there_and_back(liver, dataclasses.replace(WHOLE, method="nearest"))
    shift = np.subtract(ndimage.center_of_mass(back), ndimage.center_of_mass(liver.voxels))
    assert dice(liver.voxels, back) == pytest.approx(0.9737, abs=5e-4)  # measured with torch's
    np.testing.assert_allclose(shift, (1.5, 1.5, 0.99), atol=0.02)


@given(n=st.integers(2, 300), size=st.integers(2, 130), place=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_image_and_label_stay_registered_at_every_ratio(n, size, place):
    """A ramp crosses zero where the resampled step is half full: to half the coarser voxel."""
    weights = axis_weights(n, size, 0, n, "area")
    edge = place * n
    ramp = np.arange(n) + 0.5 - edge
    step = np.clip(ramp + 0.5, 0, 1)  # how much of each voxel lies beyond the edge
    ramp_edge = np.interp(0, weights @ ramp, np.arange(size), left=-1, right=size)
    step_edge = np.interp(0.5, weights @ step, np.arange(size), left=-1, right=size)
    if 1 < ramp_edge < size - 2:
        half = max(0.5, n / size / 2) + 1e-3  # of the coarser voxel, in native voxels
        assert abs(ramp_edge - step_edge) * n / size <= half
        assert abs((ramp_edge + 0.5) * n / size - edge) <= half


@given(n=st.integers(2, 300), size=st.integers(2, 130))
@settings(max_examples=60, deadline=None)
def test_resampling_keeps_a_constant_and_the_order_of_voxels(n, size):
    weights = axis_weights(n, size, 0, n, "area")
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    centres = weights @ np.arange(n)
    assert (np.diff(centres) >= -1e-4).all()
    np.testing.assert_allclose(centres + centres[::-1], n - 1, atol=1e-3)  # nothing is shifted


def test_occupancy_keeps_the_volume(liver):
    cube = to_cube(liver, liver, WHOLE)
    whole = cube.soft_labels[0].sum() / 255 * np.prod(liver.voxels.shape) / 128**3
    assert whole == pytest.approx(np.count_nonzero(liver.voxels), rel=1e-3)


def test_the_cube_keeps_mean_hounsfield_units():
    scan, _ = simple_case()
    low, high = WHOLE.window
    cube = to_cube(scan, settings=dataclasses.replace(WHOLE, size=20))
    mean = cube.image.mean() / 255 * (high - low) + low
    assert mean == pytest.approx(np.clip(scan.voxels, low, high).mean(), abs=1)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "SLP"])
def test_a_cube_does_not_depend_on_how_the_file_is_stored(tmp_path, orientation):
    scan, label = simple_case()
    for name, volume in (("scan.nii.gz", scan), ("label.nii.gz", label)):
        grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
        write_volume(tmp_path / name, volume.voxels, grid)
    stored = read_scan(tmp_path / "scan.nii.gz")
    settings = CubeSettings(size=32)
    here = to_cube(scan, label, settings)
    there = to_cube(stored, read_label(tmp_path / "label.nii.gz", stored), settings)
    np.testing.assert_array_equal(here.image, there.image)
    np.testing.assert_array_equal(here.soft_labels, there.soft_labels)


def test_the_box_holds_the_body_and_not_the_table():
    scan, _ = simple_case(size=60)
    inside = scan.voxels > -300
    hu = scan.voxels.copy()
    hu[5:55, 1, :] = 100  # a thin table top, behind the back
    box = body_box(Volume(hu, scan.grid))
    found = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {i}))) for i in range(3)]
    assert all(start <= f[0] and f[-1] < stop for (start, stop), f in zip(box, found, strict=True))
    assert box[1][0] > 1


def test_a_scan_of_air_keeps_its_whole_box():
    scan, _ = simple_case()
    air = Volume(np.full_like(scan.voxels, -1000), scan.grid)
    assert body_box(air) == ((0, 40),) * 3


def test_outside_the_box_there_is_nothing():
    scan, label = simple_case()
    box = ((10, 30), (5, 35), (10, 30))
    cube = to_cube(scan, label, CubeSettings(size=16), box)
    mask = cube.to_grid(np.ones((2, 16, 16, 16), np.float32))
    assert mask[10:30, 5:35, 10:30].all()
    assert np.count_nonzero(mask) == 20 * 30 * 20


def test_the_real_scans_labels_survive(shared):
    for name in ("ct_3mm", "liver_crop_128"):
        scan = read_scan(shared / name / "image.nii.gz")
        label = read_label(shared / name / "label.nii.gz", scan)
        cube = to_cube(scan, label)
        back = cube.to_grid(cube.soft_labels / np.float32(255))
        assert dice(label.voxels > 0, back > 0) > 0.98
        if (label.voxels == 2).any():
            assert dice(label.voxels == 2, back == 2) > 0.98
