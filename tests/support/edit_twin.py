"""What the slice browser's tools do to a mask, in NumPy and SciPy: to compare voxel for voxel."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

PAINTED = {"liver": [1, 1, 2], "tumour": [2, 2, 2]}
ERASED = {"liver": [0, 0, 0], "tumour": [0, 1, 1]}
THROUGH = {"sagittal": 0, "coronal": 1, "axial": 2}


def table(of: str, erases: bool = False, inside: bool = False) -> np.ndarray:
    """What each class becomes."""
    changed = np.array((ERASED if erases else PAINTED)[of], np.uint8)
    if inside:
        changed[0] = 0
    return changed


def ball(
    shape: Sequence[int],
    affine: np.ndarray,
    centre: Sequence[int],
    mm: float,
    plane: str | None,
) -> np.ndarray:
    """The voxels whose middles are at most `mm` from that of `centre`, in a slice or in 3D."""
    offsets = np.stack(np.mgrid[tuple(slice(n) for n in shape)], -1) - np.array(centre)
    distance = np.linalg.norm(offsets @ np.asarray(affine)[:3, :3].T, axis=-1)
    inside = distance <= mm + 1e-7
    if plane is not None:
        inside &= offsets[..., THROUGH[plane]] == 0
    return inside


def stroke(
    mask: np.ndarray,
    affine: np.ndarray,
    path: Iterable[Sequence[int]],
    mm: float,
    plane: str | None,
    changed: np.ndarray,
    allowed: np.ndarray | bool = True,
) -> np.ndarray:
    """The mask after a stroke through the voxels of `path`."""
    path = [np.array(voxel) for voxel in path]
    stamps = [path[0]]
    for start, stop in pairwise(path):
        steps = int(np.abs(stop - start).max())
        stamps += [np.floor(start + (stop - start) * n / steps + 0.5).astype(int)
                   for n in range(1, steps + 1)]  # fmt: skip
    touched = np.zeros(mask.shape, bool)
    for centre in stamps:
        touched |= ball(mask.shape, affine, centre, mm, plane)
    return np.where(touched & allowed, changed[mask], mask)


def in_slice(mask: np.ndarray, plane: str | None, index: int) -> np.ndarray:
    """All voxels, or those of a plane's slice."""
    kept = np.ones(mask.shape, bool)
    if plane is not None:
        kept = np.zeros(mask.shape, bool)
        np.moveaxis(kept, THROUGH[plane], 0)[index] = True
    return kept


def piece(belongs: np.ndarray, voxel: Sequence[int], plane: str | None = None) -> np.ndarray:
    """What is connected to a voxel by faces, in the slice of a plane or in 3D."""
    index = voxel[THROUGH[plane]] if plane else 0
    pieces, _ = ndimage.label(belongs & in_slice(belongs, plane, index))
    return (pieces == pieces[tuple(voxel)]) & (pieces > 0)


def smoothed(inside: np.ndarray, plane: str | None = None) -> np.ndarray:
    """Each voxel as most of the 3×3×3, or 3×3, around it."""
    size = [3, 3, 3]
    if plane is not None:
        size[THROUGH[plane]] = 1
    sums = ndimage.correlate(inside.astype(int), np.ones(size, int), mode="nearest")
    return sums * 2 > np.prod(size)


def between(a: np.ndarray, b: np.ndarray, t: float, spacing: Sequence[float]) -> np.ndarray:
    """The shape at a share `t` of the way from one 2D shape to another, by signed distances."""

    def parts(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = np.argwhere(shape)
        centre = np.floor(points.mean(0) + 0.5).astype(int)
        padded = np.pad(shape, shape.shape[0] + shape.shape[1])
        inside = ndimage.distance_transform_edt(padded, spacing)
        outside = ndimage.distance_transform_edt(~padded, spacing)
        return inside - outside, centre

    (first, start), (second, stop) = parts(a), parts(b)
    margin = a.shape[0] + a.shape[1]
    centre = np.floor(start + t * (stop - start) + 0.5).astype(int)
    shape = np.zeros(a.shape, bool)
    reach = np.maximum(*[np.abs(np.argwhere(s) - c).max(0) for s, c in ((a, start), (b, stop))])
    for at in np.ndindex(*a.shape):
        offset = at - centre
        if (np.abs(offset) > reach).any():
            continue
        values = [s[tuple(c + offset + margin)] for s, c in ((first, start), (second, stop))]
        shape[at] = (1 - t) * values[0] + t * values[1] > 1e-9
    return shape
