"""How far apart two surfaces are, in millimetres.

Libraries differ by 20–50 % on the same masks, so the definition has a name: that of the LiTS
scorer, where a mask's surface is what an erosion with 18 neighbours takes off, distances go both
ways, and every surface voxel counts once. `connectivity=1` takes 6 neighbours instead and gives
the values of MONAI (symmetric) and of MedPy's default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
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
    """The voxels of a mask that an erosion takes off; beyond the array there is background."""
    around = ndimage.generate_binary_structure(mask.ndim, connectivity)
    return mask & ~ndimage.binary_erosion(mask, around)


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
    return _nearest(ours, theirs), _nearest(theirs, ours)


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
    """Share of both surfaces that lies within `tolerance` mm of the other (Nikolov et al. 2021).

    Counted in surface voxels. 1 where both masks are empty, 0 where one is, like Dice.
    """
    there, back = surface_distances(reference, predicted, spacing, connectivity)
    every = np.concatenate([there, back])
    return float((every <= tolerance).mean()) if every.size else 1.0


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.full(len(points), np.inf)
    return cKDTree(others).query(points)[0]
