"""The canvas of a phantom: soft-edged shapes painted over each other, in Hounsfield units.

Large shapes are evaluated on a lattice of 4 mm, where even costly formulas are cheap, and
interpolated to the voxels. Only thin tubes are evaluated at the voxels themselves. A smooth
random field bends the patient's coordinates, once.
"""

import numpy as np
from numpy.typing import ArrayLike

from liverlib.core.arrays import Box

from .sdf import Region, box_between, tubes

LATTICE_MM = 4.0  # between the knots of the lattice, unless pixels are larger
Shape = tuple[Box, np.ndarray]  # a box of voxels, and the distances to a shape there
Stencil = tuple[np.ndarray, np.ndarray]  # for each position (n, k): indices, and their weights
EMPTY: Box = (slice(0, 0),) * 3


class Canvas:
    """The voxels that are painted: Hounsfield units, and the fractions of liver and tumour."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: ArrayLike,
        to_patient: tuple[np.ndarray, np.ndarray],
        bend: float,
        random: np.random.Generator,
    ) -> None:
        """`to_patient`: matrix and offset from voxels' mm to the patient's; `bend`: in mm."""
        self.random = random  # of its own: what is painted does not depend on how finely
        self.shape, self.spacing = tuple(shape), np.asarray(spacing, float)
        self.edge = np.float32(1.25 * self.spacing[:2].mean())  # mm over which an edge fades
        self.step = max(LATTICE_MM, 0.8 * self.spacing[0])
        extent = (np.array(shape) - 1) * self.spacing
        knots = np.ceil(extent / self.step).astype(int) + 1
        self.knots = [np.linspace(0, n - 1, m) for n, m in zip(shape, knots, strict=True)]
        self.stencils = [_linear(n, k) for n, k in zip(shape, self.knots, strict=True)]
        self.voxels_per_knot = np.array([k[1] for k in self.knots])
        self.lattice = self._bent_lattice(*to_patient, bend)
        self.hu = np.full(self.shape, -1000, np.float32)
        self.liver = np.zeros(self.shape, np.float32)
        self.tumour = np.zeros(self.shape, np.float32)
        self.gallbladder = np.zeros(self.shape, np.float32)
        self.has_liver = False
        fine = random.standard_normal(self.lattice.x.shape, dtype=np.float32)
        self.texture = self.upsample(0.8 * fine + 0.9 * self.smooth_noise(28))

    def _bent_lattice(self, matrix: np.ndarray, offset: np.ndarray, bend: float) -> Region:
        """The patient's coordinates at the knots, displaced by at most 2.6 `bend`."""
        lines = [knots * mm for knots, mm in zip(self.knots, self.spacing, strict=True)]
        positions = np.meshgrid(*lines, indexing="ij")
        turned = [sum(m * p for m, p in zip(row, positions, strict=True)) for row in matrix]
        x, y, z = (
            (axis + o).astype(np.float32) + self._displacement(bend)
            for axis, o in zip(turned, offset, strict=True)
        )
        scale = self.spacing * self.voxels_per_knot  # mm from knot to knot
        back = np.linalg.inv(matrix)
        to_index = back / scale[:, None], -back @ offset / scale, (2.6 * bend + self.step) / scale
        return Region(x, y, z, np.zeros(3, int), to_index)

    def _displacement(self, size: float) -> np.ndarray:
        """Smooth displacement in mm: broad, and a third of it finer; at most 2.6 `size`."""
        broad, finer = self.smooth_noise(95), self.smooth_noise(38)
        return np.clip(size * broad + 0.3 * size * finer, -2.6 * size, 2.6 * size)

    def smooth_noise(self, width: float) -> np.ndarray:
        """Smooth noise on the lattice, of unit variance, its features `width` mm wide."""
        counts = [int(self.step * (len(k) - 1) / (0.6 * width)) + 4 for k in self.knots]
        nodes = self.random.standard_normal(counts, dtype=np.float32)
        pairs = zip(self.knots, counts, strict=True)
        return _interpolated(nodes * np.float32(3.0), [_cubic(len(k), n) for k, n in pairs])

    def upsample(self, values: np.ndarray) -> np.ndarray:
        """Values on the whole lattice, interpolated to the voxels."""
        return _interpolated(values, self.stencils)

    def at_voxels(self, region: Region, distance: np.ndarray, reach: float = 8.0) -> Shape:
        """A shape of a lattice's region, at the voxels within `reach` mm of it."""
        near = distance < reach
        if not near.any():
            return EMPTY, np.zeros((0, 0, 0), np.float32)
        first, last = [], []
        for axis in range(3):
            used = np.flatnonzero(near.any(tuple({0, 1, 2} - {axis})))
            first.append(max(used[0] - 1, 0))
            last.append(min(used[-1] + 2, near.shape[axis]))
        part = box_between(first, last)
        box = self._voxels_of(np.add(region.start, first), np.add(region.start, last))
        return box, self._upsample_part(distance[part], region, part, box)

    def voxel_box(self, region: Region) -> Box:
        """The voxels within a region of the lattice."""
        if not region.x.size:
            return EMPTY
        return self._voxels_of(region.start, np.add(region.start, region.x.shape))

    def _voxels_of(self, first: np.ndarray, last: np.ndarray) -> Box:
        """The voxels between the knots (3,) from `first` to before `last`."""
        x, y, z = (
            slice(int(np.ceil(knots[i])), int(knots[j - 1]) + 1)
            for knots, i, j in zip(self.knots, first, last, strict=True)
        )
        return x, y, z

    def voxel_region(self, low: ArrayLike, high: ArrayLike) -> tuple[Box, Region]:
        """The voxels between two corners in the patient's mm, and their coordinates."""
        region = self.lattice.part(low, high)
        box, part = self.voxel_box(region), box_between((0, 0, 0), region.x.shape)
        axes = (region.x, region.y, region.z)
        x, y, z = (self._upsample_part(axis, region, part, box) for axis in axes)
        matrix, offset, slack = region.to_index
        scale = self.voxels_per_knot
        to_index = matrix * scale[:, None], offset * scale, slack * scale
        return box, Region(x, y, z, np.array([side.start for side in box]), to_index)

    def _upsample_part(self, values: np.ndarray, region: Region, part: Box, box: Box) -> np.ndarray:
        """Values on a part of a region, interpolated to the voxels of a box."""
        stencils = []
        sides = zip(self.stencils, region.start, part, box, strict=True)
        for (index, weight), first, side, voxels in sides:
            last = side.stop - side.start - 1
            inside = np.clip(index[voxels] - (first + side.start), 0, max(last, 0))
            stencils.append((inside, weight[voxels]))
        return _interpolated(values, stencils)

    def paint(
        self,
        shape: Shape,
        value: float,
        texture: float = 0,
        edge: float | None = None,
        keep: bool = False,
        opacity: float = 1,
    ) -> None:
        """Covers a shape with HU, and `texture` HU of unevenness inside.

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

    def brighten(self, box: Box, hu: np.ndarray) -> None:
        """Adds HU to the voxels of a box."""
        self.hu[box] += hu

    def paint_liver(self, shape: Shape, value: float, texture: float) -> None:
        """Paints the liver itself, and marks it."""
        self.paint(shape, value, texture)
        box, distance = shape
        self.liver[box] = np.clip(0.5 - distance / self.edge, 0, 1)
        self.has_liver = True

    def mark_gallbladder(self, shape: Shape) -> None:
        """Marks the lumen of the gallbladder."""
        self.gallbladder[shape[0]] = shape[1] < 0

    def paint_organ(
        self,
        region: Region,
        distance: np.ndarray,
        value: float,
        texture: float = 5,
        halo: float = 1.5,
    ) -> None:
        """Paints a solid organ with `halo` mm of fat around it."""
        box, near = self.at_voxels(region, distance)
        if halo:
            self.paint((box, near - halo), -95, 10, edge=2.5)
        self.paint((box, near), value, texture)

    def paint_vessel(
        self,
        points: ArrayLike,
        radii: ArrayLike,
        value: float,
        halo: float = 0,
        links: list[tuple[int, int]] | None = None,
    ) -> None:
        """Paints a tube at the voxels' own resolution, with `halo` mm of fat around it."""
        points = np.asarray(points, float)
        reach = np.max(radii) + halo + 2
        box, region = self.voxel_region(points.min(0) - reach, points.max(0) + reach)
        distance = tubes(region, points, radii, links, margin=halo + 2.5)
        if halo:
            self.paint((box, distance - halo), -100, 8, edge=3)
        self.paint((box, distance), value)


def _interpolated(values: np.ndarray, stencils: list[Stencil]) -> np.ndarray:
    """Values (a, b, c) interpolated along each axis.

    Not by matrix products: their threads get into each other's way where processes run side by
    side, and may round differently.
    """
    (x, to_x), (y, to_y), (z, to_z) = stencils
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


def _linear(n: int, knots: np.ndarray) -> Stencil:
    """Linear interpolation between knots, at 0…n-1."""
    position = np.arange(n) / knots[1]
    first = np.minimum(position.astype(int), max(len(knots) - 2, 0))
    part = (position - first).astype(np.float32)
    index = np.stack([first, np.minimum(first + 1, len(knots) - 1)], 1)
    return index, np.stack([1 - part, part], 1)


def _cubic(n: int, nodes: int) -> Stencil:
    """A cubic B-spline over evenly spaced nodes, at n positions."""
    position = np.linspace(1, nodes - 2, n)
    first = np.minimum(position.astype(int), nodes - 3)
    index = first[:, None] + np.arange(-1, 3)
    t = np.abs(position[:, None] - index)
    inner, outer = 2 / 3 - t**2 + t**3 / 2, np.maximum(2 - t, 0) ** 3 / 6
    return index, np.where(t < 1, inner, outer).astype(np.float32)
