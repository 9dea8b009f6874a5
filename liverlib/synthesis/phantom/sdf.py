"""Signed distance functions: shapes as distances in mm, negative inside.

Points are in the patient's coordinates, in mm: x to the right, y to the front, z up.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from liverlib.core.arrays import Box

FAR_MM = 60.0  # the distance of a tube where it is only known to be far
Point = Sequence[float] | np.ndarray  # (3,) mm
Index = Sequence[int] | np.ndarray  # (3,)


def box_between(first: Index, last: Index) -> Box:
    """The box of the indices (3,) from `first` to before `last`."""
    x, y, z = map(slice, first, last)
    return x, y, z


@dataclass(frozen=True)
class Region:
    """A region of a lattice: the patient's coordinates of its points, and their indices.

    `to_index` leads from mm to indices of the whole lattice: matrix, offset, and the slack in
    indices that the bending of the coordinates leaves.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    start: np.ndarray  # (3,) index of its first point in the whole lattice
    to_index: tuple[np.ndarray, np.ndarray, np.ndarray]

    def index_box(self, low: np.ndarray, high: np.ndarray) -> Box:
        """Indices of the points that may lie between two corners in mm; empty where none do."""
        matrix, offset, slack = self.to_index
        centre = matrix @ ((low + high) / 2) + offset - self.start
        half = np.abs(matrix) @ ((high - low) / 2) + slack
        first = np.clip(np.floor(centre - half), 0, self.x.shape).astype(int)
        last = np.clip(np.ceil(centre + half) + 1, 0, self.x.shape).astype(int)
        return box_between(first, last)

    @property
    def box(self) -> Box:
        """The region's own box in the whole lattice."""
        return box_between(self.start, np.add(self.start, self.x.shape))

    def part(self, low: ArrayLike, high: ArrayLike) -> "Region":
        """The smaller region that holds everything between two corners in mm."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        wide = self._cut(self.index_box(low, high))
        close = replace(wide, to_index=wide._fitted()) if wide.x.size else wide
        return close._cut(close.index_box(low, high))

    def around(self, centre: ArrayLike, radius: float) -> "Region":
        """The smaller region within `radius` mm of a point along each axis."""
        return self.part(np.subtract(centre, radius), np.add(centre, radius))

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Indices (n, 3) in this region of points in mm (n, 3), to about 1 mm."""
        matrix, offset, _ = self.to_index
        indices = points @ matrix.T + offset - self.start
        for _ in range(3 if self.x.size else 0):
            near = tuple(np.clip(np.rint(indices), 0, np.array(self.x.shape) - 1).astype(int).T)
            reached = np.stack([self.x[near], self.y[near], self.z[near]], 1)
            indices = np.stack(near, 1) + (points - reached) @ matrix.T
        return indices

    def _cut(self, box: Box) -> "Region":
        start = self.start + [part.start for part in box]
        return Region(self.x[box], self.y[box], self.z[box], start, self.to_index)

    def _fitted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`to_index` with the slack of this region alone."""
        matrix = self.to_index[0]
        indices = np.ogrid[self.box]
        errors = [
            index - (row[0] * self.x + row[1] * self.y + row[2] * self.z)
            for index, row in zip(indices, matrix.astype(np.float32), strict=True)
        ]
        low, high = (np.array([end(error) for error in errors]) for end in (np.min, np.max))
        return matrix, (low + high) / 2, (high - low) / 2 + 0.5


def ellipsoid(
    region: Region, centre: Point, radii: Point, axes: np.ndarray | None = None
) -> np.ndarray:
    """Distance to an ellipsoid, exact to first order; `axes` (3, 3) holds its axes as rows."""
    x, y, z = (
        axis - np.float32(middle)
        for axis, middle in zip((region.x, region.y, region.z), centre, strict=True)
    )
    if axes is not None:
        x, y, z = (np.float32(a) * x + np.float32(b) * y + np.float32(c) * z for a, b, c in axes)
    x, y, z = (axis / np.float32(radius) for axis, radius in zip((x, y, z), radii, strict=True))
    level = np.sqrt(x * x + y * y + z * z)
    x, y, z = (axis / np.float32(radius) for axis, radius in zip((x, y, z), radii, strict=True))
    return level * (level - 1) / np.sqrt(x * x + y * y + z * z + np.float32(1e-9))


def tubes(
    region: Region,
    points: ArrayLike,
    radii: ArrayLike,
    links: Iterable[tuple[int, int]] | None = None,
    margin: float = 6,
) -> np.ndarray:
    """Distance to round cones through `points` (n, 3) with `radii` (n,), mm.

    `links` lists the pairs of points that are joined; without it they follow each other. The
    distance is exact up to `margin` mm from the cones, and `FAR_MM` where nothing is near.
    """
    points, radii = np.asarray(points, np.float32), np.asarray(radii, np.float32)
    distance = np.full(region.x.shape, FAR_MM, np.float32)
    links = np.array(list(links or itertools.pairwise(range(len(points)))))
    ends = region.locate(points)[links]  # (links, 2, 3)
    lengths = np.linalg.norm(np.diff(points[links], axis=1), axis=2)
    reach = radii[links].max(1, keepdims=True) + margin + 0.1 * lengths
    reach = 1.3 * reach * np.abs(region.to_index[0]).sum(1) + 1
    first = np.clip(np.floor(ends.min(1) - reach), 0, region.x.shape).astype(int)
    last = np.clip(np.ceil(ends.max(1) + reach) + 1, 0, region.x.shape).astype(int)
    for (i, j), low, high in zip(links, first, last, strict=True):
        if (high > low).all():
            box = box_between(low, high)
            part = distance[box]
            np.minimum(part, _cone(region, box, points[i], points[j], radii[i], radii[j]), out=part)
    return distance


def _cone(
    region: Region, box: Box, a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float
) -> np.ndarray:
    """Distance to the round cone between two points, within a box of the region."""
    x, y, z = region.x[box] - a[0], region.y[box] - a[1], region.z[box] - a[2]
    along = b - a
    t = (x * along[0] + y * along[1] + z * along[2]) / max(float(along @ along), 1e-6)
    np.clip(t, 0, 1, out=t)
    x -= t * along[0]
    y -= t * along[1]
    z -= t * along[2]
    return np.sqrt(x * x + y * y + z * z) - (radius_a + t * (radius_b - radius_a))


def intersection(a: np.ndarray, b: np.ndarray, rounding: float = 6.0) -> np.ndarray:
    """Distance to what lies in both shapes, its edge rounded over `rounding` mm."""
    bend = np.maximum(rounding - np.abs(a - b), 0)
    return np.maximum(a, b) + bend * bend / (4 * rounding)


def union(a: np.ndarray, b: np.ndarray, rounding: float = 6.0) -> np.ndarray:
    """Distance to two shapes melted together over `rounding` mm."""
    return -intersection(-a, -b, rounding)


def spline(points: ArrayLike, step: float = 9.0) -> np.ndarray:
    """A smooth line (n, 3) through points (Catmull–Rom), a point about every `step` mm."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    parts = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        count = max(int(np.linalg.norm(c - b) / step), 2)
        t = np.linspace(0, 1, count, endpoint=False)[:, None]
        bend = a - 2.5 * b + 2 * c - d / 2 + t * (1.5 * (b - c) + (d - a) / 2)
        parts.append(b + t * ((c - a) / 2 + t * bend))
    return np.concatenate([*parts, p[-2:-1]])


def random_rotation(size: float, random: np.random.Generator) -> np.ndarray:
    """A random rotation (3, 3) of about `size` radians, the new axes as rows."""
    axes, _ = np.linalg.qr(np.eye(3) + random.normal(0, size / 1.7, (3, 3)))
    return axes * np.sign(np.diag(axes))[:, None]


def orthonormalised(matrix: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) near a matrix that is nearly one."""
    axes, _ = np.linalg.qr(matrix)
    return axes * np.sign(np.diag(axes))
