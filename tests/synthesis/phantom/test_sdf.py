"""Signed distances beside distances that are computed another way."""

import numpy as np
import pytest

from liverlib.synthesis.phantom import sdf


def unit_region(size: int = 40) -> sdf.Region:
    """A lattice of 1 mm around the origin."""
    x, y, z = (axis.astype(np.float32) for axis in np.mgrid[:size, :size, :size] - size / 2)
    to_index = np.eye(3), np.full(3, size / 2), np.zeros(3)
    return sdf.Region(x, y, z, np.zeros(3, int), to_index)


def radii_of(region: sdf.Region) -> np.ndarray:
    return np.sqrt(region.x**2 + region.y**2 + region.z**2)


def test_a_ball_has_its_distance_and_an_ellipsoid_its_volume():
    region = unit_region()
    radii = radii_of(region)
    away = radii > 2
    ball = sdf.ellipsoid(region, (0, 0, 0), (9, 9, 9))
    np.testing.assert_allclose(ball[away], (radii - 9)[away], atol=1e-3)
    long = sdf.ellipsoid(
        region, (1, 2, 3), (6, 9, 12), sdf.random_rotation(1, np.random.default_rng(0))
    )
    assert (long < 0).sum() == pytest.approx(4 / 3 * np.pi * 6 * 9 * 12, rel=0.02)


def test_tubes_have_the_distance_to_their_line():
    region = unit_region()
    distance = sdf.tubes(region, [(0, 0, -10), (0, 0, 10)], [3, 3])
    expected = np.hypot(np.hypot(region.x, region.y), np.maximum(np.abs(region.z) - 10, 0)) - 3
    near = expected < 6
    np.testing.assert_allclose(distance[near], expected[near], atol=1e-4)
    assert (distance[~near] >= 5.9).all()


def test_intersection_and_union_are_rounded_where_both_edges_meet_and_nowhere_else():
    a, b = np.meshgrid(*[np.linspace(-10, 10, 41)] * 2)
    inner, outer = sdf.intersection(a, b, 4), sdf.union(a, b, 4)
    separate = np.abs(a - b) >= 4
    np.testing.assert_array_equal(inner[separate], np.maximum(a, b)[separate])
    np.testing.assert_array_equal(outer[separate], np.minimum(a, b)[separate])
    assert (inner >= np.maximum(a, b)).all() and (outer <= np.minimum(a, b)).all()
    assert sdf.intersection(np.zeros(1), np.zeros(1), 4) == pytest.approx(1)


def test_a_spline_passes_through_its_points():
    points = np.array([(0, 0, 0), (30, 10, 0), (40, 40, 20)], float)
    line = sdf.spline(points, step=5)
    for point in points:
        assert np.linalg.norm(line - point, axis=1).min() < 1e-9
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 10


@pytest.mark.parametrize("seed", range(5))
def test_rotations_are_rotations(seed):
    random = np.random.default_rng(seed)
    nearly = np.eye(3) + random.normal(0, 0.05, (3, 3))
    for matrix in (sdf.random_rotation(0.3, random), sdf.orthonormalised(nearly)):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1) and (np.diag(matrix) > 0).all()


def test_a_part_of_a_region_holds_all_points_between_the_corners_and_few_others():
    region = unit_region()
    part = region.part((-5, 0, 3), (5, 4, 9))
    inside = (np.abs(region.x) <= 5) & (region.y >= 0) & (region.y <= 4)
    inside &= (region.z >= 3) & (region.z <= 9)
    assert inside[part.box].sum() == inside.sum() > 0
    assert part.x.size < 3 * inside.sum()
    assert not region.part((100, 100, 100), (110, 110, 110)).x.size
