"""The canvas: shapes of the lattice at the voxels, and what is painted over what."""

import numpy as np
import pytest

from liverlib.synthesis.phantom.canvas import Canvas
from liverlib.synthesis.phantom.sdf import ellipsoid

SHAPE, SPACING = (48, 40, 30), (1.5, 1.5, 2.0)


@pytest.fixture
def canvas() -> Canvas:
    centred = np.eye(3), -np.array(SHAPE) * SPACING / 2
    return Canvas(SHAPE, SPACING, centred, 2.0, np.random.default_rng(0))


def test_what_is_painted_depends_on_the_canvas_own_generator_alone(canvas):
    centred = np.eye(3), -np.array(SHAPE) * SPACING / 2
    again = Canvas(SHAPE, SPACING, centred, 2.0, np.random.default_rng(0))
    np.testing.assert_array_equal(canvas.lattice.x, again.lattice.x)
    np.testing.assert_array_equal(canvas.texture, again.texture)


def test_bending_is_smooth_and_bounded(canvas):
    straight = Canvas(SHAPE, SPACING, (np.eye(3), np.zeros(3)), 0.0, np.random.default_rng(0))
    offset = canvas.lattice.x - straight.lattice.x + SHAPE[0] * SPACING[0] / 2
    assert 0.1 < np.abs(offset).max() <= 2.6 * 2.0 + 1e-4
    assert np.abs(np.diff(offset, axis=2)).max() < 2


def test_a_large_shape_at_the_voxels_is_the_shape_there(canvas):
    """Interpolated from the lattice, and evaluated at the voxels themselves."""
    radii = (20, 16, 18)
    box, distance = canvas.at_voxels(canvas.lattice, ellipsoid(canvas.lattice, (0, 0, 0), radii))
    everywhere, voxels = canvas.voxel_region((-99, -99, -99), (99, 99, 99))
    assert voxels.x.shape == SHAPE and everywhere == tuple(slice(0, n) for n in SHAPE)
    exact = ellipsoid(voxels, (0, 0, 0), radii)
    near = np.abs(exact[box]) < 3
    assert np.abs(distance - exact[box])[near].max() < 0.7
    outside = np.ones(SHAPE, bool)
    outside[box] = False
    assert exact[outside].min() > 7


def test_points_are_found_in_the_bent_lattice(canvas):
    points = np.array([(0, 0, 0), (10, -8, 12), (-20, 15, -9)], float)
    region = canvas.lattice
    x, y, z = np.rint(region.locate(points)).astype(int).T
    nearest = np.stack([region.x[x, y, z], region.y[x, y, z], region.z[x, y, z]], 1)
    assert np.abs(nearest - points).max() < 0.8 * canvas.step


def test_paint_covers_with_a_soft_edge_and_takes_liver_away_unless_it_is_kept(canvas):
    region = canvas.lattice
    shape = canvas.at_voxels(region, ellipsoid(region, (0, 0, 0), (18, 18, 18)))
    canvas.paint_liver(shape, 100, 0)
    assert canvas.hu.max() == 100 and canvas.hu.min() == -1000
    edge = (canvas.liver > 0) & (canvas.liver < 1)
    assert edge.any() and canvas.liver.max() == 1
    whole = canvas.liver.sum()
    small = canvas.at_voxels(region, ellipsoid(region, (0, 0, 0), (8, 8, 8)))
    canvas.paint(small, 160, keep=True)
    assert canvas.liver.sum() == whole and canvas.hu.max() == 160
    canvas.paint(small, 10)
    assert canvas.liver.sum() < whole


def test_a_vessel_has_its_width_and_fat_around_it(canvas):
    canvas.paint_vessel([(0, 0, -20), (0, 0, 20)], [4, 4], 200, halo=2)
    middle = canvas.hu[:, :, SHAPE[2] // 2]
    area = (middle > 50).sum() * SPACING[0] * SPACING[1]
    assert area == pytest.approx(np.pi * 4**2, rel=0.25)
    assert ((middle > -500) & (middle < 0)).any()


def test_nothing_is_painted_outside_the_canvas(canvas):
    far = canvas.lattice.part((500, 500, 500), (600, 600, 600))
    canvas.paint(canvas.at_voxels(far, far.x), 100)
    canvas.paint_vessel([(500, 0, 0), (600, 0, 0)], [5, 5], 100)
    assert (canvas.hu == -1000).all()
