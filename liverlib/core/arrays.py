"""Arrays without a meaning: boxes, connected components, quotients."""

import numpy as np
from scipy import ndimage

from .errors import LiverlibError

Box = tuple[slice, slice, slice]  # in the order of the axes


def crop_to_content(*arrays: np.ndarray) -> list[np.ndarray]:
    """Views of arrays, cut to the box around what is not 0 in any of them.

    Raises `LiverlibError` where their shapes differ.
    """
    if len({np.shape(array) for array in arrays}) > 1:
        raise LiverlibError(
            f"masks of shapes {' and '.join(str(np.shape(array)) for array in arrays)} cannot be "
            "compared. Bring both to the scan's own grid first."
        )
    for axis in range(arrays[0].ndim):
        others = tuple(i for i in range(arrays[0].ndim) if i != axis)
        used = np.nonzero(np.any([array.any(axis=others) for array in arrays], axis=0))[0]
        inside = slice(used[0], used[-1] + 1) if used.size else slice(0, 0)
        arrays = [array[(slice(None),) * axis + (inside,)] for array in arrays]
    return list(arrays)


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The mask's connected parts, numbered from 1 (int32), and how many there are.

    Voxels connect through their six faces, as in LiTS (`scipy.ndimage.label`'s default).
    """
    return ndimage.label(mask)


def ratio(part: float, whole: float) -> float:
    """Their quotient; NaN where the whole is 0."""
    return float(part / whole) if whole else np.nan
