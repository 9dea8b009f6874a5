"""What a phantom is drawn on: soft-edged shapes painted over each other into Hounsfield units.

A shape is its signed distance in mm (negative inside). Large ones are evaluated on a lattice of
4 mm knots, where even costly formulas are cheap, and stretched to the voxels by three small
matrix products; only thin tubes are evaluated at the voxels themselves. Coordinates are the
patient's own (x right, y front, z up, mm) and are bent by a smooth random field, once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import fft

STEP = 4.0  # mm between the knots of the lattice
FAR = 60.0  # mm: what a tube's distance is where nothing of it is near
Box = tuple[slice, slice, slice]


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

    def part(self, low: Iterable[float], high: Iterable[float]) -> "Frame":
        """The block of this frame that a box of the patient, in mm, can lie in."""
        box = self.slices(np.asarray(low, float), np.asarray(high, float))
        start = self.start + [one.start for one in box]
        return Frame(self.x[box], self.y[box], self.z[box], start, self.to_index)

    def around(self, centre: Iterable[float], reach: float) -> "Frame":
        """The block within `reach` mm of a point, along each axis."""
        return self.part(np.subtract(centre, reach), np.add(centre, reach))


def ellipsoid(f: Frame, centre, radii, turn: np.ndarray | None = None) -> np.ndarray:
    """Distance to an ellipsoid (first-order); `turn` (3, 3) holds its axes as rows."""
    x, y, z = f.x - np.float32(centre[0]), f.y - np.float32(centre[1]), f.z - np.float32(centre[2])
    if turn is not None:
        x, y, z = (np.float32(a) * x + np.float32(b) * y + np.float32(c) * z for a, b, c in turn)
    x, y, z = (one / np.float32(radius) for one, radius in zip((x, y, z), radii, strict=True))
    level = np.sqrt(x * x + y * y + z * z)
    x, y, z = (one / np.float32(radius) for one, radius in zip((x, y, z), radii, strict=True))
    return level * (level - 1) / np.sqrt(x * x + y * y + z * z + np.float32(1e-9))


def tubes(f: Frame, points: np.ndarray, radii: np.ndarray, links=None) -> np.ndarray:
    """Distance to round cones through `points` (n, 3) with `radii` (n,), mm.

    `links` lists pairs of points; without it they follow each other.
    """
    points, radii = np.asarray(points, np.float32), np.asarray(radii, np.float32)
    distance = np.full(f.x.shape, FAR, np.float32)
    for i, j in links if links is not None else zip(range(len(points)), range(1, len(points))):
        a, b, reach = points[i], points[j], max(radii[i], radii[j]) + 6
        box = f.slices(np.minimum(a, b) - reach, np.maximum(a, b) + reach)
        if all(one.stop > one.start for one in box):
            part = distance[box]
            np.minimum(part, _cone(f, box, a, b, radii[i], radii[j]), out=part)
    return distance


def _cone(f: Frame, box: Box, a, b, radius_a, radius_b) -> np.ndarray:
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


class Canvas:
    """The voxels being painted: Hounsfield units, and how much of each is liver and tumour."""

    def __init__(self, shape, spacing, pose, bend: float, random: np.random.Generator):
        """`pose`: matrix and offset from voxel mm to the patient; `bend`: mm of deformation."""
        self.shape, self.spacing = tuple(shape), np.asarray(spacing, float)
        self.edge = np.float32(1.25 * self.spacing[:2].mean())  # mm over which an edge fades
        extent = (np.array(shape) - 1) * self.spacing
        knots = np.ceil(extent / STEP).astype(int) + 1
        self.knots = [np.linspace(0, n - 1, m) for n, m in zip(shape, knots, strict=True)]
        self.weights = [_linear(n, k) for n, k in zip(shape, self.knots, strict=True)]
        matrix, offset = pose
        slack = 2.6 * bend + STEP
        places = np.meshgrid(
            *(k * mm for k, mm in zip(self.knots, self.spacing, strict=True)), indexing="ij"
        )
        q = [sum(m * p for m, p in zip(row, places, strict=True)) for row in matrix]
        q = [
            (one + o).astype(np.float32) + self._bend(bend, random)
            for one, o in zip(q, offset, strict=True)
        ]
        back = np.linalg.inv(matrix)
        self._to_voxel = back / self.spacing[:, None], -back @ offset / self.spacing
        per_knot = np.array([k[1] for k in self.knots])
        to_knot = (
            self._to_voxel[0] / per_knot[:, None],
            self._to_voxel[1] / per_knot,
            slack / self.spacing / per_knot,
        )
        self.lattice = Frame(*q, np.zeros(3, int), to_knot)
        self.slack = slack
        self.hu = np.full(self.shape, -1000, np.float32)
        self.liver = np.zeros(self.shape, np.float32)
        self.tumour = np.zeros(self.shape, np.float32)
        fine = random.standard_normal(self.lattice.x.shape, dtype=np.float32)
        self.texture = self.stretch(0.8 * fine + 0.9 * self.smooth(28, random))

    def _bend(self, size: float, random: np.random.Generator) -> np.ndarray:
        """Smooth displacement in mm: broad, and a third of it finer; at most 2.6 `size`."""
        broad, finer = self.smooth(95, random), self.smooth(38, random)
        return np.clip(size * broad + 0.3 * size * finer, -2.6 * size, 2.6 * size)

    def smooth(self, scale: float, random: np.random.Generator) -> np.ndarray:
        """Smooth noise on the lattice, unit variance, whose features are `scale` mm wide."""
        counts = [int(STEP * (len(k) - 1) / (0.6 * scale)) + 4 for k in self.knots]
        nodes = random.standard_normal(counts, dtype=np.float32)
        pairs = zip(self.knots, counts, strict=True)
        return _product(nodes, [_spline(len(k), n) for k, n in pairs]) * np.float32(3.2)

    def stretch(self, values: np.ndarray) -> np.ndarray:
        """Values on the whole lattice, at the voxels."""
        return _product(values, self.weights)

    def voxels(self, f: Frame, distance: np.ndarray, reach: float = 8.0) -> tuple[Box, np.ndarray]:
        """A shape of the lattice at the voxels: the box it needs, and distances there."""
        near = distance < reach
        if not near.any():
            return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.float32)
        block, box = [], []
        for axis in range(3):
            there = np.flatnonzero(near.any(tuple({0, 1, 2} - {axis})))
            first, last = max(there[0] - 1, 0), min(there[-1] + 2, near.shape[axis])
            knots = self.knots[axis][f.start[axis] + first : f.start[axis] + last]
            block.append(slice(first, last))
            box.append(slice(int(np.ceil(knots[0])), int(knots[-1]) + 1))
        return tuple(box), self._stretch_block(distance[tuple(block)], f, block, box)

    def fine(self, low, high) -> tuple[Box, Frame]:
        """The voxels that a box of the patient can hold, and where they lie in the patient."""
        f = self.lattice.part(low, high)
        block = [slice(0, n) for n in f.x.shape]
        knots = [self.knots[i][f.start[i] : f.start[i] + n] for i, n in enumerate(f.x.shape)]
        if not all(len(k) for k in knots):
            box = (slice(0, 0),) * 3
        else:
            box = tuple(slice(int(np.ceil(k[0])), int(k[-1]) + 1) for k in knots)
        places = [self._stretch_block(one, f, block, box) for one in (f.x, f.y, f.z)]
        to_index = *self._to_voxel, self.slack / self.spacing
        return box, Frame(*places, np.array([one.start for one in box]), to_index)

    def _stretch_block(self, values, f: Frame, block, box) -> np.ndarray:
        rows = zip(self.weights, f.start, block, box, strict=True)
        return _product(values, [w[b, s + k.start : s + k.stop] for w, s, k, b in rows])

    def paint(self, shape, value, texture=0.0, edge=None, keep=False, opacity=1.0) -> np.ndarray:
        """Covers a shape (box, distance) with HU; returns how much of each voxel was covered.

        `texture`: HU of unevenness inside. What is painted over the liver is no longer liver,
        unless `keep`.
        """
        box, distance = shape
        cover = np.float32(0.5) - distance / np.float32(edge or self.edge)
        np.clip(cover, 0, 1, out=cover)
        if opacity != 1:
            cover *= np.float32(opacity)
        if texture:
            value = value + np.float32(texture) * self.texture[box]
        part = self.hu[box]
        part += cover * (value - part)
        if not keep:
            self.liver[box] *= 1 - cover
        return cover


def ct_noise(shape, random: np.random.Generator, sharp: float, streaks: float) -> np.ndarray:
    """Noise of unit variance with a CT's texture: band-passed in plane, alike in next slices.

    `sharp` 0…1: soft to sharp kernel; `streaks`: excess of sideways streaks.
    """
    x = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    y = np.fft.fftfreq(shape[1]).astype(np.float32)[None]
    f = np.hypot(x, y)
    cut = 0.16 + 0.22 * sharp
    gain = np.sqrt(f + 0.012) * np.exp(-((f / cut) ** 2))
    gain *= 1 + streaks * (y / (f + 1e-3)) ** 4
    gain = (gain / np.sqrt((gain**2).mean())).astype(np.float32)
    pairs = (shape[2] + 2) // 2
    out = np.empty((2 * pairs, *shape[:2]), np.float32)
    for k in range(pairs):
        white = random.standard_normal((*shape[:2], 2), dtype=np.float32).view(np.complex64)[..., 0]
        both = fft.ifft2(white * gain, norm="ortho")
        out[2 * k], out[2 * k + 1] = both.real, both.imag
    mixed = 0.88 * out[: shape[2]] + 0.47 * out[1 : shape[2] + 1]
    return mixed.transpose(1, 2, 0)


def _product(values: np.ndarray, weights) -> np.ndarray:
    """`values` (a, b, c) multiplied along each axis by weights (A, a), (B, b), (C, c)."""
    x, y, z = weights
    out = (x @ values.reshape(len(values), -1)).reshape(len(x), *values.shape[1:])
    return (y @ out) @ z.T


def _linear(n: int, knots: np.ndarray) -> np.ndarray:
    """Weights (n, knots) of linear interpolation at 0…n-1."""
    gap = knots[1] if len(knots) > 1 else 1.0
    places = np.arange(n)[:, None]
    return np.maximum(1 - np.abs(places - knots[None]) / gap, 0).astype(np.float32)


def _spline(n: int, nodes: int) -> np.ndarray:
    """Weights (n, nodes) of a cubic B-spline over evenly spread nodes."""
    t = np.abs(np.linspace(1, nodes - 2, n)[:, None] - np.arange(nodes)[None])
    inner, outer = 2 / 3 - t**2 + t**3 / 2, np.maximum(2 - t, 0) ** 3 / 6
    return np.where(t < 1, inner, outer).astype(np.float32)
