"""Arrays without a meaning: boxes, connected components, quotients."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

from .errors import LiverlibError

Box = tuple[slice, slice, slice]  # in the order of the axes
Spacing = np.ndarray | Sequence[float]  # mm from voxel to voxel along each axis


def to_box(sides: Iterable[slice]) -> Box:
    """Three slices as a box."""
    x, y, z = sides
    return x, y, z


def crop_to_content(*arrays: np.ndarray) -> list[np.ndarray]:
    """Views of arrays, cropped to the box around all voxels that are nonzero in any of them.

    Raises `LiverlibError` where their shapes differ.
    """
    if len({np.shape(array) for array in arrays}) > 1:
        raise LiverlibError(
            f"masks of shapes {' and '.join(str(np.shape(array)) for array in arrays)} cannot be "
            "compared. Bring both to the scan's own grid first."
        )
    views = list(arrays)
    for axis in range(views[0].ndim):
        others = tuple(other for other in range(views[0].ndim) if other != axis)
        used = np.nonzero(np.any([view.any(axis=others) for view in views], axis=0))[0]
        inside = slice(used[0], used[-1] + 1) if used.size else slice(0, 0)
        views = [view[(slice(None),) * axis + (inside,)] for view in views]
    return views


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The mask's connected components, numbered from 1 (int32), and their count.

    Voxels connect through their six faces, as in LiTS (the default of `scipy.ndimage.label`).
    """
    return ndimage.label(mask)


def ratio(part: float, whole: float) -> float:
    """`part` divided by `whole`; NaN where `whole` is 0."""
    return float(part / whole) if whole else np.nan
