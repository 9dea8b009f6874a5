"""Which part of a scan a cube covers: the body, or the liver and a margin."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from liverlib.core.arrays import Box, Spacing, to_box
from liverlib.io.volume import Volume

from .resample import forwards, used

MARGIN_MM = 10.0  # around the liver in the ROI stage


def whole_box(shape: Sequence[int]) -> Box:
    """The box that covers an array of this shape."""
    x, y, z = shape
    return slice(0, x), slice(0, y), slice(0, z)


def body_box(scan: Volume, threshold: float = -300, margin_mm: float = 5) -> Box:
    """The box around the body: the largest connected piece denser than `threshold` HU.

    It is looked for on about every fourth millimetre; thin things, such as the table's top, are
    eroded away first. The whole scan where nothing is dense enough.
    """
    step = np.maximum(1, np.rint(4 / scan.grid.spacing).astype(int))
    coarse = scan.voxels[tuple(slice(n // 2, None, n) for n in step)] > threshold
    solid = ndimage.binary_opening(coarse, iterations=2)
    pieces, count = ndimage.label(solid)
    if not count:
        return whole_box(scan.grid.shape)
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    body = ndimage.find_objects(pieces, largest)[largest - 1]
    margins = np.ceil(margin_mm / scan.grid.spacing).astype(int) + step
    return to_box(
        slice(max(0, int(part.start * n - m)), min(size, int(part.stop * n + m)))
        for part, n, m, size in zip(body, step, margins, scan.grid.shape, strict=True)
    )


def liver_box(liver: np.ndarray, spacing: Spacing) -> Box | None:
    """The box around a mask (X, Y, Z; or classes) and `MARGIN_MM` more; None where it is empty."""
    highest = max_projection(liver.view(np.uint8) if liver.itemsize == 1 else liver != 0)
    if not highest.any():
        return None
    x, y = used(highest.T), used(highest)
    tight = x, y, used(np.any(liver[x, y], axis=(0, 1))[np.newaxis])
    margin = np.ceil(MARGIN_MM / np.asarray(spacing)).astype(int).tolist()
    return to_box(
        slice(max(0, part.start - m), min(size, part.stop + m))
        for part, m, size in zip(tight, margin, liver.shape, strict=True)
    )


def max_projection(classes: np.ndarray) -> np.ndarray:
    """The highest class along z, (X, Y): tells where to look, in no time."""
    turn = forwards(classes)
    return classes[turn].max(axis=2, keepdims=True)[turn][:, :, 0]
