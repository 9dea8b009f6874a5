"""The lesions of one label or mask: each connected tumour with its place, volume and extent."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from liverlib.scan import Grid

TUMOUR = 2


@dataclass(frozen=True)
class Lesion:
    """One connected tumour. `at` is the voxel of it nearest to its centre, in RAS order.

    `ml` and `longest_mm` are NaN where the spacing is unknown. `covered` is the share of it that
    is tumour in the other label or mask too, NaN without one.
    """

    at: tuple[int, int, int]
    voxels: int
    ml: float
    longest_mm: float
    covered: float


def find_lesions(
    classes: np.ndarray, grid: Grid, other: np.ndarray | None = None, most: int | None = None
) -> list[Lesion]:
    """The lesions of an array of classes on `grid`, largest first, at most `most`.

    Connected by faces (6 neighbours), as LiTS counts them with ``scipy.ndimage.label``.
    """
    around = ndimage.find_objects((classes == TUMOUR).view(np.uint8))
    if not around:
        return []
    components, _ = ndimage.label(classes[around[0]] == TUMOUR)  # a scan is mostly not tumour
    sizes = np.bincount(components.ravel())[1:]
    boxes = ndimage.find_objects(components)
    lesions = []
    for i in np.argsort(-sizes, kind="stable")[:most]:
        box = tuple(
            slice(whole.start + part.start, whole.start + part.stop)
            for whole, part in zip(around[0], boxes[i], strict=True)
        )
        lesions.append(_lesion(components[boxes[i]] == i + 1, box, grid, other))
    return lesions


def longest_diameter(points: np.ndarray) -> float:
    """The distance between the two of (N, 3) points that are furthest apart; 0 for one."""
    if len(points) > 500:  # only corners of the hull can be; QJ: also of a flat one
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    return float(pdist(points).max(initial=0))


def _lesion(part: np.ndarray, box: tuple, grid: Grid, other: np.ndarray | None) -> Lesion:
    inside = np.argwhere(part)
    nearest = ((inside - inside.mean(0)) ** 2).sum(1).argmin()
    world = inside @ grid.affine[:3, :3].T
    covered = np.nan if other is None else float((other[box][part] == TUMOUR).mean())
    return Lesion(
        at=tuple(int(i + s.start) for i, s in zip(inside[nearest], box, strict=True)),
        voxels=len(inside),
        ml=len(inside) * grid.voxel_ml,
        longest_mm=longest_diameter(world) if grid.spacing_known else np.nan,
        covered=covered,
    )
