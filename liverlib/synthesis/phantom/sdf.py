"""Shapes as signed distances in mm, negative inside, from smooth formulas of patient coordinates.

The coordinates are the patient's own: x to the right, y to the front, z up, in mm.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from liverlib.core.arrays import Box

FAR = 60.0  # mm: a tube's distance where nothing of it is near


@dataclass(frozen=True)
class Frame:
    """A block of a lattice: where its points lie in the patient, and how to find them there."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    start: np.ndarray  # (3,) index of its first point in the whole lattice
    to_index: tuple[np.ndarray, np.ndarray, np.ndarray]  # patient mm → index: matrix, offset, slack

    def slices(self, low: np.ndarray, high: np.ndarray) -> Box:
        """The points that a box of the patient can hold; empty where it lies outside."""
        matrix, offset, slack = self.to_index
        centre = matrix @ ((low + high) / 2) + offset - self.start
        half = np.abs(matrix) @ ((high - low) / 2) + slack
        first = np.clip(np.floor(centre - half), 0, self.x.shape).astype(int)
        last = np.clip(np.ceil(centre + half) + 1, 0, self.x.shape).astype(int)
        return tuple(map(slice, first, last))

    @property
    def at(self) -> Box:
        """Where this block lies in the whole lattice."""
        return tuple(slice(s, s + n) for s, n in zip(self.start, self.x.shape, strict=True))

    def part(self, low: ArrayLike, high: ArrayLike) -> "Frame":
        """The block of this frame that a box of the patient, in mm, can lie in."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        rough = self._cut(self.slices(low, high))
        close = replace(rough, to_index=rough._fitted()) if rough.x.size else rough
        return close._cut(close.slices(low, high))

    def around(self, centre: ArrayLike, reach: float) -> "Frame":
        """The block within `reach` mm of a point, along each axis."""
        return self.part(np.subtract(centre, reach), np.add(centre, reach))

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Where points of the patient (n, 3) lie in this block, as indices, to about 1 mm."""
        matrix, offset, _ = self.to_index
        found = points @ matrix.T + offset - self.start
        for _ in range(3 if self.x.size else 0):
            near = tuple(np.clip(np.rint(found), 0, np.array(self.x.shape) - 1).astype(int).T)
            there = np.stack([self.x[near], self.y[near], self.z[near]], 1)
            found = np.stack(near, 1) + (points - there) @ matrix.T
        return found

    def _cut(self, box: Box) -> "Frame":
        start = self.start + [one.start for one in box]
        return Frame(self.x[box], self.y[box], self.z[box], start, self.to_index)

    def _fitted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`to_index` with the slack that the bending leaves within this block alone."""
        matrix = self.to_index[0]
        indices = np.ogrid[self.at]
        apart = [
            index - (row[0] * self.x + row[1] * self.y + row[2] * self.z)
            for index, row in zip(indices, matrix.astype(np.float32), strict=True)
        ]
        low, high = (np.array([end(one) for one in apart]) for end in (np.min, np.max))
        return matrix, (low + high) / 2, (high - low) / 2 + 0.5


def ellipsoid(
    f: Frame, centre: ArrayLike, radii: ArrayLike, turn: np.ndarray | None = None
) -> np.ndarray:
    """Distance to an ellipsoid (first-order); `turn` (3, 3) holds its axes as rows."""
    x, y, z = f.x - np.float32(centre[0]), f.y - np.float32(centre[1]), f.z - np.float32(centre[2])
    if turn is not None:
        x, y, z = (np.float32(a) * x + np.float32(b) * y + np.float32(c) * z for a, b, c in turn)
    x, y, z = (one / np.float32(radius) for one, radius in zip((x, y, z), radii, strict=True))
    level = np.sqrt(x * x + y * y + z * z)
    x, y, z = (one / np.float32(radius) for one, radius in zip((x, y, z), radii, strict=True))
    return level * (level - 1) / np.sqrt(x * x + y * y + z * z + np.float32(1e-9))


def tubes(
    f: Frame,
    points: ArrayLike,
    radii: ArrayLike,
    links: Iterable[tuple[int, int]] | None = None,
    margin: float = 6,
) -> np.ndarray:
    """Distance to round cones through `points` (n, 3) with `radii` (n,), mm.

    `links` lists pairs of points; without it they follow each other. Beyond `margin` mm from
    them the distance is only known to be large.
    """
    points, radii = np.asarray(points, np.float32), np.asarray(radii, np.float32)
    distance = np.full(f.x.shape, FAR, np.float32)
    links = np.array(list(links or itertools.pairwise(range(len(points)))))
    ends = f.locate(points)[links]  # (links, 2, 3)
    long = np.linalg.norm(np.diff(points[links], axis=1), axis=2)
    reach = radii[links].max(1, keepdims=True) + margin + 0.1 * long
    reach = 1.3 * reach * np.abs(f.to_index[0]).sum(1) + 1
    first = np.clip(np.floor(ends.min(1) - reach), 0, f.x.shape).astype(int)
    last = np.clip(np.ceil(ends.max(1) + reach) + 1, 0, f.x.shape).astype(int)
    for (i, j), low, high in zip(links, first, last, strict=True):
        if (high > low).all():
            box = tuple(map(slice, low, high))
            part = distance[box]
            np.minimum(part, _cone(f, box, points[i], points[j], radii[i], radii[j]), out=part)
    return distance


def _cone(f: Frame, box: Box, a, b, radius_a: float, radius_b: float) -> np.ndarray:
    x, y, z = f.x[box] - a[0], f.y[box] - a[1], f.z[box] - a[2]
    along = b - a
    t = (x * along[0] + y * along[1] + z * along[2]) / max(float(along @ along), 1e-6)
    np.clip(t, 0, 1, out=t)
    x -= t * along[0]
    y -= t * along[1]
    z -= t * along[2]
    return np.sqrt(x * x + y * y + z * z) - (radius_a + t * (radius_b - radius_a))


def both(a: np.ndarray, b: np.ndarray, round: float = 6.0) -> np.ndarray:
    """Distance to what lies in both shapes, its edge rounded over some mm."""
    bend = np.maximum(round - np.abs(a - b), 0)
    return np.maximum(a, b) + bend * bend / (4 * round)


def either(a: np.ndarray, b: np.ndarray, round: float = 6.0) -> np.ndarray:
    """Distance to the two shapes melted together over some mm."""
    return -both(-a, -b, round)
