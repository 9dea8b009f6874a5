"""How far apart two surfaces are, in millimetres.

Libraries differ by 20–50 % on the same masks, so the definition has a name: that of the LiTS
scorer, where a mask's surface is what an erosion with 18 neighbours takes off, distances go both
ways, and every surface voxel counts once. `connectivity=1` takes 6 neighbours instead and gives
the values of MONAI (symmetric) and of MedPy's default. Surfaces by area: `liverlib.surfels`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from liverlib.detection import crop_to_content


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


def surface_distances(
    reference: np.ndarray, predicted: np.ndarray, spacing: Sequence[float], connectivity: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of the reference to the nearest of the prediction, and back, in mm.

    Distances to an empty mask are inf, those from an empty mask are none.
    """
    cropped = crop_to_content(np.asarray(reference, bool), np.asarray(predicted, bool))
    ours, theirs = (
        np.argwhere(surface(one, connectivity)) * np.asarray(spacing) for one in cropped
    )
    return nearest(ours, theirs), nearest(theirs, ours)


def surface_score(
    reference: np.ndarray, predicted: np.ndarray, spacing: Sequence[float], connectivity: int = 2
) -> SurfaceScore:
    """ASSD, RMSD, MSSD and HD95 of two masks; NaN where both are empty, inf where one is."""
    there, back = surface_distances(reference, predicted, spacing, connectivity)
    every = np.concatenate([there, back])
    if not every.size or not np.isfinite(every).all():
        return SurfaceScore(*[np.inf if every.size else np.nan] * 4)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    mean, square = every.mean(), (every**2).mean()
    return SurfaceScore(float(mean), float(np.sqrt(square)), float(every.max()), float(hd95))


def surface_dice(
    reference: np.ndarray,
    predicted: np.ndarray,
    spacing: Sequence[float],
    tolerance: float = 1.0,
    connectivity: int = 2,
) -> float:
    """Share of both surfaces that lies within `tolerance` mm of the other, in surface voxels.

    MONAI's, with `connectivity=1`. 1 where both masks are empty, 0 where one is, like Dice.
    """
    there, back = surface_distances(reference, predicted, spacing, connectivity)
    every = np.concatenate([there, back])
    return float((every <= tolerance).mean()) if every.size else 1.0


def nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From each of (N, 3) points to the nearest of the others; inf where there are none."""
    if not len(others) or not len(points):
        return np.full(len(points), np.inf)
    return cKDTree(others, balanced_tree=False, compact_nodes=False).query(points)[0]


def _eroded(mask: np.ndarray, axis: int) -> np.ndarray:
    """The voxels whose two neighbours along an axis are in the mask too."""
    kept = np.zeros_like(mask)
    along = np.moveaxis(mask, axis, 0)
    np.logical_and(along[:-2], along[1:-1], out=np.moveaxis(kept, axis, 0)[1:-1])
    np.moveaxis(kept, axis, 0)[1:-1] &= along[2:]
    return kept
