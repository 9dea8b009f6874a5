"""How far apart two surfaces are, in millimetres, and how much of them lies close together.

Libraries differ by 20–50 % on the same masks, so each definition has a name. Distances are those of
the LiTS scorer: a mask's surface is what an erosion with 18 neighbours takes off, distances go both
ways, and every surface voxel counts once. `connectivity=1` takes 6 neighbours instead and gives
the values of MONAI (symmetric) and of MedPy's default.

Surface Dice goes by area, as Nikolov et al. 2021 define it and the MSD challenge reports it (NSD).
There a surface is made of elements, one in every 2×2×2 block of voxels that the mask divides: the
triangles that marching cubes draws there. An element counts by its area, which depends on the
spacing, and lies in the middle of its block. The values are those of DeepMind's surface-distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
from scipy.spatial import cKDTree

from liverlib.core.arrays import Spacing, content_box, crop_to_content

RIM_SLAB = 32  # slices whose rim is looked for at once


@dataclass(frozen=True)
class SurfaceScore:
    """Distances between two surfaces in mm; NaN where both masks are empty, inf where one is."""

    assd: float  # average symmetric surface distance
    rmsd: float  # root mean square of the same distances
    mssd: float  # the largest one, also called Hausdorff distance: one voxel decides it
    hd95: float  # 95th percentile each way, the larger of the two: hides what one voxel did


def surface(mask: np.ndarray, connectivity: int = 2) -> np.ndarray:
    """The voxels of a 3D mask that an erosion takes off; beyond the array there is background.

    `connectivity` 1 looks at 6 neighbours, 2 at 18.
    """
    x, y, z = (_eroded(mask, axis) for axis in range(3))
    if connectivity == 1:
        return mask & ~(x & y & z)
    # The 18 neighbours are three squares of 3×3, and a square is a row of rows.
    return mask & ~(_eroded(x, 1) & _eroded(y, 2) & _eroded(z, 0))


def rim_voxels(mask: np.ndarray) -> np.ndarray:
    """The indices (N, 3) of the voxels that a mask (X, Y, Z) shows to its 6 neighbours.

    Where the array cuts the mask there is no surface. Works slab by slab.
    """
    (x0, x1), (y0, y1), (z0, z1) = ((side.start, side.stop) for side in content_box(mask))
    points = [np.zeros((0, 3), int)]
    for start in range(z0, z1, RIM_SLAB):
        first, last = (x0, y0, start), (x1, y1, min(start + RIM_SLAB, z1))
        reached = (  # beyond the array its outermost voxels are repeated
            np.clip(np.arange(a - 1, b + 1), 0, n - 1)
            for a, b, n in zip(first, last, mask.shape, strict=True)
        )
        padded = mask[np.ix_(*reached)] != 0
        points.append(np.argwhere(surface(padded, connectivity=1)[1:-1, 1:-1, 1:-1]) + first)
    return np.concatenate(points)


def surface_distances(
    reference: np.ndarray, predicted: np.ndarray, spacing: Spacing, connectivity: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of the reference to the nearest of the prediction, and back, in mm.

    Distances to an empty mask are inf, those from an empty mask are none.

    Args:
        reference: a mask (X, Y, Z).
        predicted: another on the same grid.
        spacing: mm from voxel to voxel along each axis.
        connectivity: neighbours that make a surface: 2 for 18 (LiTS), 1 for 6.

    >>> reference, predicted = np.zeros((2, 3, 3, 9), bool)
    >>> reference[1, 1, 2] = predicted[1, 1, 6] = True
    >>> surface_distances(reference, predicted, (1, 1, 2.5))
    (array([10.]), array([10.]))
    """
    cropped = crop_to_content(np.asarray(reference, bool), np.asarray(predicted, bool))
    points = [np.argwhere(surface(mask, connectivity)) * np.asarray(spacing) for mask in cropped]
    return nearest(*points), nearest(*reversed(points))


def surface_score(
    reference: np.ndarray, predicted: np.ndarray, spacing: Spacing, connectivity: int = 2
) -> SurfaceScore:
    """ASSD, RMSD, MSSD and HD95 of two masks; NaN where both are empty, inf where one is."""
    forth, back = surface_distances(reference, predicted, spacing, connectivity)
    every = np.concatenate([forth, back])
    if not every.size or not np.isfinite(every).all():
        return SurfaceScore(*[np.inf if every.size else np.nan] * 4)
    hd95 = max(np.percentile(forth, 95), np.percentile(back, 95))
    mean, square = every.mean(), (every**2).mean()
    return SurfaceScore(float(mean), float(np.sqrt(square)), float(every.max()), float(hd95))


def nearest(points: np.ndarray, others: np.ndarray, within: float = np.inf) -> np.ndarray:
    """From each of (N, 3) points to the nearest of the others; inf where none is `within` that.

    A million points that lie far from all others take long to look up; with a bound they do not.
    """
    if not len(others) or not len(points):
        return np.full(len(points), np.inf)
    return search_tree(others).query(points, distance_upper_bound=within)[0]


def search_tree(points: np.ndarray) -> cKDTree:
    """A tree that finds the nearest of (N, 3) points."""
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _eroded(mask: np.ndarray, axis: int) -> np.ndarray:
    """The voxels whose two neighbours along an axis are in the mask too."""
    kept = np.zeros_like(mask)
    along = np.moveaxis(mask, axis, 0)
    np.logical_and(along[:-2], along[1:-1], out=np.moveaxis(kept, axis, 0)[1:-1])
    np.moveaxis(kept, axis, 0)[1:-1] &= along[2:]
    return kept


# The 13 ways to divide a block, turned, mirrored and with inside and outside exchanged: which
# corners are inside (bit 4x + 2y + z), and the triangles' normals in eighths of a voxel's face.
DIVISIONS = {
    0b00000001: [(1, 1, 1)],
    0b00000011: [(2, 2, 0), (2, 2, 0)],
    0b00000110: [(1, 1, 1), (1, 1, 1)],
    0b00000111: [(4, 0, 0), (2, 2, 2), (1, 1, 1)],
    0b00001111: [(4, 0, 0), (4, 0, 0)],
    0b00010110: [(1, 1, 1), (1, 1, 1), (1, 1, 1)],
    0b00010111: [(1, 1, 1), (2, 2, 2), (2, 2, 2), (1, 1, 1)],
    0b00011000: [(1, 1, 1), (1, 1, 1)],
    0b00011001: [(0, 2, 2), (0, 2, 2), (1, 1, 1)],
    0b00011011: [(1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2)],
    0b00011110: [(4, 0, 0), (1, 1, 1), (2, 2, 2), (1, 1, 1)],
    0b00111100: [(2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)],
    0b01101001: [(1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)],
}


def surfels(mask: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) in mm and areas (N,) in mm² of a mask's surface elements."""
    padded = np.pad(np.asarray(mask, bool), 1).view(np.uint8)
    code = np.zeros(np.subtract(padded.shape, 1), np.uint8)
    for bit, corner in enumerate(product((0, 1), repeat=3)):
        code |= padded[tuple(slice(c, c - 1 or None) for c in corner)] << bit
    positions = np.nonzero((code != 0) & (code != 255))
    return np.stack(positions, 1) * np.asarray(spacing, float), areas(spacing)[code[positions]]


def areas(spacing: Spacing) -> np.ndarray:
    """The area in mm² of the element in each of the 256 blocks; 0 in undivided ones."""
    x, y, z = spacing
    return np.linalg.norm(_normals() * [y * z, x * z, x * y], axis=-1).sum(-1)


def surfel_distances(
    reference: np.ndarray, predicted: np.ndarray, spacing: Spacing, within: float = np.inf
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Distances in mm and areas in mm²: from the reference's elements to the nearest of the
    prediction, and back. Distances to an empty mask, and those not `within` so many mm, are inf;
    those from an empty mask are none."""
    cropped = crop_to_content(np.asarray(reference, bool), np.asarray(predicted, bool))
    (a, a_areas), (b, b_areas) = (surfels(mask, spacing) for mask in cropped)
    return (nearest(a, b, within), a_areas), (nearest(b, a, within), b_areas)


def surface_dice(
    reference: np.ndarray,
    predicted: np.ndarray,
    spacing: Spacing,
    tolerances: Sequence[float] = (1.0, 2.0),
) -> list[float]:
    """Surface Dice: the part of both surfaces' area within each tolerance (mm) of the other.

    1 where both masks are empty, 0 where one is, like Dice.
    """
    bound = max(tolerances) + 1e-6  # the tree takes what is nearer than its bound
    (forth, areas_a), (back, areas_b) = surfel_distances(reference, predicted, spacing, bound)
    whole = areas_a.sum() + areas_b.sum()
    if not whole:
        return [1.0 for _ in tolerances]
    within = (areas_a[forth <= t].sum() + areas_b[back <= t].sum() for t in tolerances)
    return [float(part / whole) for part in within]


@cache
def _normals() -> np.ndarray:
    """(256, 4, 3): the normals of each block's triangles, without their signs."""
    corners, normals = np.array(list(product((0, 1), repeat=3))), np.zeros((256, 4, 3))
    for code, triangles in DIVISIONS.items():
        inside = corners[[bit for bit in range(8) if code >> bit & 1]]
        for axes, mirrored in product(permutations(range(3)), product((0, 1), repeat=3)):
            turned = int(np.left_shift(1, (inside[:, axes] ^ mirrored) @ [4, 2, 1]).sum())
            for same in (turned, 255 - turned):
                normals[same, : len(triangles)] = np.array(triangles)[:, axes] / 8
    return normals
