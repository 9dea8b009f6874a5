"""How far two masks overlap, and how much they hold."""

import numpy as np

from liverlib.core.arrays import Spacing, crop_to_content


def dice(reference: np.ndarray, predicted: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|) of two masks; 1 where both are empty, 0 where one is (LiTS).

    Whatever is not 0 belongs to a mask: two labels give the Dice of liver and tumour together.

    Args:
        reference: a mask (X, Y, Z).
        predicted: another on the same grid.

    >>> dice(np.array([1, 1, 0]), np.array([1, 0, 0]))
    0.6666666666666666
    """
    reference, predicted = crop_to_content(reference, predicted)
    both = np.count_nonzero(reference) + np.count_nonzero(predicted)
    shared = np.count_nonzero(np.logical_and(reference, predicted))
    return float(2 * shared / both) if both else 1.0


def volume_ml(mask: np.ndarray, spacing: Spacing | None) -> float:
    """Millilitres of a mask whose voxels measure `spacing` mm; NaN where that is unknown."""
    return float(np.count_nonzero(mask) * voxel_ml(spacing))


def voxel_ml(spacing: Spacing | None) -> float:
    """Millilitres in a voxel of so many mm; NaN where they are unknown."""
    return np.nan if spacing is None else float(np.prod(spacing)) / 1000
