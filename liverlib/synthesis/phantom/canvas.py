"""What a phantom is drawn on: soft-edged shapes painted over each other into Hounsfield units.

Large shapes are evaluated on a lattice of 4 mm knots, where even costly formulas are cheap, and
interpolated to the voxels; only thin tubes are evaluated at the voxels themselves. The patient's
coordinates are bent by a smooth random field, once.
"""

import numpy as np
from numpy.typing import ArrayLike

from liverlib.core.arrays import Box

from .sdf import Frame

STEP = 4.0  # mm between the knots of the lattice, unless pixels are larger
Painted = tuple[Box, np.ndarray]  # the voxels of a box, and a shape's distances there
Taps = tuple[np.ndarray, np.ndarray]  # for each place (n, k): which values, and their weights


class Canvas:
    """The voxels being painted: Hounsfield units, and how much of each is liver and tumour."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: ArrayLike,
        pose: tuple[np.ndarray, np.ndarray],
        bend: float,
        random: np.random.Generator,
    ):
        """`pose`: matrix and offset from voxel mm to the patient; `bend`: mm of deformation."""
        self.random = random  # of its own: what is drawn does not depend on how finely
        self.shape, self.spacing = tuple(shape), np.asarray(spacing, float)
        self.edge = np.float32(1.25 * self.spacing[:2].mean())  # mm over which an edge fades
        self.step = max(STEP, 0.8 * self.spacing[0])
        extent = (np.array(shape) - 1) * self.spacing
        knots = np.ceil(extent / self.step).astype(int) + 1
        self.knots = [np.linspace(0, n - 1, m) for n, m in zip(shape, knots, strict=True)]
        self.taps = [_linear(n, k) for n, k in zip(shape, self.knots, strict=True)]
        matrix, offset = pose
        places = np.meshgrid(
            *(k * mm for k, mm in zip(self.knots, self.spacing, strict=True)), indexing="ij"
        )
        q = [sum(m * p for m, p in zip(row, places, strict=True)) for row in matrix]
        q = [
            (one + o).astype(np.float32) + self._bend(bend)
            for one, o in zip(q, offset, strict=True)
        ]
        self.per_knot = np.array([k[1] for k in self.knots])
        scale = self.spacing * self.per_knot  # mm from knot to knot
        back = np.linalg.inv(matrix)
        to_knot = back / scale[:, None], -back @ offset / scale, (2.6 * bend + self.step) / scale
        self.lattice = Frame(*q, np.zeros(3, int), to_knot)
        self.hu = np.full(self.shape, -1000, np.float32)
        self.liver = np.zeros(self.shape, np.float32)
        self.tumour = np.zeros(self.shape, np.float32)
        self.has_liver = False
        fine = random.standard_normal(self.lattice.x.shape, dtype=np.float32)
        self.texture = self.stretch(0.8 * fine + 0.9 * self.smooth(28))

    def _bend(self, size: float) -> np.ndarray:
        """Smooth displacement in mm: broad, and a third of it finer; at most 2.6 `size`."""
        broad, finer = self.smooth(95), self.smooth(38)
        return np.clip(size * broad + 0.3 * size * finer, -2.6 * size, 2.6 * size)

    def smooth(self, scale: float) -> np.ndarray:
        """Smooth noise on the lattice, unit variance, whose features are `scale` mm wide."""
        counts = [int(self.step * (len(k) - 1) / (0.6 * scale)) + 4 for k in self.knots]
        nodes = self.random.standard_normal(counts, dtype=np.float32)
        pairs = zip(self.knots, counts, strict=True)
        return _spread(nodes * np.float32(3.0), [_spline(len(k), n) for k, n in pairs])

    def stretch(self, values: np.ndarray) -> np.ndarray:
        """Values on the whole lattice, at the voxels."""
        return _spread(values, self.taps)

    def voxels(self, f: Frame, distance: np.ndarray, reach: float = 8.0) -> Painted:
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

    def box(self, f: Frame) -> Box:
        """The voxels within a block of the lattice."""
        if not f.x.size:
            return (slice(0, 0),) * 3
        knots = (k[i : i + n] for k, i, n in zip(self.knots, f.start, f.x.shape, strict=True))
        return tuple(slice(int(np.ceil(k[0])), int(k[-1]) + 1) for k in knots)

    def fine(self, low: ArrayLike, high: ArrayLike) -> tuple[Box, Frame]:
        """The voxels that a box of the patient can hold, and where they lie in the patient."""
        f = self.lattice.part(low, high)
        box, block = self.box(f), [slice(0, n) for n in f.x.shape]
        places = [self._stretch_block(one, f, block, box) for one in (f.x, f.y, f.z)]
        matrix, offset, slack = f.to_index
        per = self.per_knot
        to_index = matrix * per[:, None], offset * per, slack * per
        return box, Frame(*places, np.array([one.start for one in box]), to_index)

    def _stretch_block(self, values, f: Frame, block, box) -> np.ndarray:
        taps = []
        for (index, weight), first, part, there in zip(self.taps, f.start, block, box, strict=True):
            last = part.stop - part.start - 1
            inside = np.clip(index[there] - (first + part.start), 0, max(last, 0))
            taps.append((inside, weight[there]))
        return _spread(values, taps)

    def paint(
        self,
        shape: Painted,
        value: float,
        texture: float = 0,
        edge: float | None = None,
        keep: bool = False,
        opacity: float = 1,
    ) -> None:
        """Covers a shape (box, distance) with HU, `texture` HU of unevenness inside.

        What is painted over the liver is no longer liver, unless `keep`.
        """
        (x, y, z), distance = shape
        start = x.start or 0
        rows = max(1, 200_000 // max(distance[:1].size, 1))  # slabs that stay in the cache
        for first in range(0, len(distance), rows):
            part = distance[first : first + rows]
            box = slice(start + first, start + first + len(part)), y, z
            cover = part * np.float32(-1 / (edge or self.edge))
            cover += np.float32(0.5)
            np.clip(cover, 0, 1, out=cover)
            if opacity != 1:
                cover *= np.float32(opacity)
            change = np.float32(value) - self.hu[box]
            if texture:
                change += np.float32(texture) * self.texture[box]
            change *= cover
            self.hu[box] += change
            if self.has_liver and not keep:
                self.liver[box] *= 1 - cover

    def add(self, box: Box, hu: np.ndarray) -> None:
        """Brightens what is there."""
        self.hu[box] += hu

    def paint_liver(self, shape: Painted, value: float, texture: float) -> None:
        """The liver itself."""
        self.paint(shape, value, texture)
        box, distance = shape
        self.liver[box] = np.clip(0.5 - distance / self.edge, 0, 1)
        self.has_liver = True


def _spread(values: np.ndarray, taps: list[Taps]) -> np.ndarray:
    """Values (a, b, c) interpolated along each axis.

    Not by matrix products: their threads get into each other's way where processes run side by
    side, and may round differently.
    """
    (x, to_x), (y, to_y), (z, to_z) = taps
    across = [values[:, :, i] * w for i, w in zip(z.T, to_z.T, strict=True)]
    values = sum(across[1:], across[0])
    across = [values[:, i] * w[:, None] for i, w in zip(y.T, to_y.T, strict=True)]
    values = sum(across[1:], across[0])
    out = np.empty((len(x), *values.shape[1:]), np.float32)
    for row, rows, weights in zip(out, x, to_x, strict=True):  # row by row: stays in the cache
        np.multiply(values[rows[0]], weights[0], out=row)
        for i, weight in zip(rows[1:], weights[1:], strict=True):
            row += values[i] * weight
    return out


def _linear(n: int, knots: np.ndarray) -> Taps:
    """Linear interpolation between knots at 0…n-1."""
    place = np.arange(n) / knots[1]
    first = np.minimum(place.astype(int), max(len(knots) - 2, 0))
    part = (place - first).astype(np.float32)
    index = np.stack([first, np.minimum(first + 1, len(knots) - 1)], 1)
    return index, np.stack([1 - part, part], 1)


def _spline(n: int, nodes: int) -> Taps:
    """A cubic B-spline over evenly spread nodes, at n places."""
    place = np.linspace(1, nodes - 2, n)
    first = np.minimum(place.astype(int), nodes - 3)
    index = first[:, None] + np.arange(-1, 3)
    t = np.abs(place[:, None] - index)
    inner, outer = 2 / 3 - t**2 + t**3 / 2, np.maximum(2 - t, 0) ** 3 / 6
    return index, np.where(t < 1, inner, outer).astype(np.float32)
