"""Grids and orientations."""

import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nifti_files import NUMBERS, stored

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume, check_grid

ORIENTATIONS = [
    "".join(signs[axis] for axis in order)
    for order in itertools.permutations(range(3))
    for signs in itertools.product("RL", "AP", "SI")
]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_gives_the_same_voxels_at_the_same_positions(tmp_path, orientation):
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    affine[:3, 3] = -30, 12, 100
    path = tmp_path / "scan.nii.gz"
    write_volume(path, NUMBERS, Grid.of(NUMBERS.shape, affine, orientation))
    assert "".join(nib.aff2axcodes(nib.load(path).affine)) == orientation
    scan = read_scan(path)
    assert scan.grid.orientation == orientation
    np.testing.assert_array_equal(scan.voxels, NUMBERS)
    np.testing.assert_allclose(scan.grid.affine, affine, atol=1e-4)
    np.testing.assert_allclose(scan.grid.voxel_ml, 0.7 * 0.8 * 2.5 / 1000, rtol=1e-5)


def test_a_false_identity_affine_makes_millilitres_unknown(tmp_path):
    grid = read_scan(stored(tmp_path / "ircad.nii.gz", NUMBERS, np.eye(4))).grid
    assert not grid.spacing_known
    assert np.isnan(grid.voxel_ml)
    moved = np.eye(4)
    moved[:3, 3] = 5
    assert read_scan(stored(tmp_path / "true.nii.gz", NUMBERS, moved)).grid.spacing_known


def test_a_volume_says_little_about_itself():
    grid = Grid.of((2, 3, 4), np.eye(4))
    assert "sizeof_hdr" not in repr(Volume(np.zeros((2, 3, 4)), grid, "x"))


def test_reading_turns_axes_without_copying(tmp_path):
    scan = read_scan(stored(tmp_path / "a.nii", NUMBERS, np.diag([-1.0, -1, 2, 1])))
    assert isinstance(scan.voxels.base, np.memmap | np.ndarray)
    assert scan.voxels.strides[0] < 0
    assert scan.voxels.dtype == np.int16


def test_grids_match_to_a_tenth_of_a_voxel():
    affine = np.diag([2.0, 2, 3, 1])
    grid = Grid.of((40, 40, 20), affine)
    for shift, matches in ((0.1, True), (0.3, False)):
        moved = affine.copy()
        moved[0, 3] = shift
        assert grid.matches(Grid.of((40, 40, 20), moved, "LPS")) == matches
    assert not grid.matches(Grid.of((40, 40, 21), affine))
    assert not grid.matches(Grid.of((40, 40, 20), np.diag([2.0, 2, 3.05, 1])))


def test_a_mask_of_another_grid_is_named_with_what_differs():
    scan, mask = (Volume(NUMBERS, Grid.of(NUMBERS.shape, np.eye(4) * 2), name) for name in "sm")
    check_grid(mask, scan)
    with pytest.raises(LiverlibError, match=r"m: its affine is .*, that of s is "):
        check_grid(replace(mask, grid=Grid.of(NUMBERS.shape, np.diag([2, 2, 3, 1.0]))), scan)
    with pytest.raises(LiverlibError, match=r"label: its shape is "):
        check_grid(replace(mask, voxels=NUMBERS[1:]), scan, "label")


def test_voxels_that_are_no_upright_boxes_are_sheared():
    affine = np.diag([0.8, 0.8, 2.5, 1])
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    rotated, tilted = affine.copy(), affine.copy()
    rotated[:2, :2] = turn @ affine[:2, :2]
    tilted[1, 2] = 2.5 * np.tan(np.radians(15))
    expected = ((affine, False), (rotated, False), (tilted, True))
    assert [Grid.of((9, 9, 9), each).sheared for each, _ in expected] == [e for _, e in expected]


@pytest.mark.parametrize(
    ("code", "mm", "ambiguous"), [(1, 5, True), (1, 2.5, False), (0, 5, False)]
)
def test_a_header_of_two_positions_is_ambiguous(code, mm, ambiguous):
    header = nib.Nifti1Header()
    header.set_data_shape((20, 20, 10))
    header.set_sform(np.diag([-0.8, 0.8, mm, 1]), code=1)
    header.set_qform(np.diag([-0.8, 0.8, 2.5, 1]), code=code)
    assert Grid.from_header(header).ambiguous == ambiguous


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1)])
def test_units_of_the_header_are_turned_to_millimetres(unit, factor):
    header = nib.Nifti1Header()
    header.set_data_shape((4, 5, 6))
    header.set_sform(np.diag([2.0, 3, 4, 1]), code=1)
    header.set_xyzt_units(unit)
    np.testing.assert_allclose(Grid.from_header(header).spacing, np.array([2, 3, 4]) * factor)


def test_an_affine_that_spans_no_volume_is_refused():
    header = nib.Nifti1Header()
    header.set_data_shape((4, 5, 6))
    header.set_sform([[1, 1, 0, 0], [0, 0.001, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], code=1)
    with pytest.raises(ValueError, match="cannot be inverted"):
        Grid.from_header(header)
