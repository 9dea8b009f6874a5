"""Where the ROI stage takes over from the coarse stage, without a seam."""

from collections.abc import Iterable, Iterator

import numpy as np

from liverlib.core.arrays import Box, Spacing
from liverlib.preprocessing.boxes import MARGIN_MM
from liverlib.preprocessing.cube import Cube, to_classes
from liverlib.preprocessing.resample import SLAB

from .postprocessing import DEFAULTS, PostprocessSettings

Located = tuple[Cube, np.ndarray]  # a cube, and probabilities (2, S, S, S) in it


def blend(
    mask: np.ndarray,
    coarse: Located,
    roi: Located,
    spacing: Spacing,
    settings: PostprocessSettings = DEFAULTS,
) -> None:
    """Writes into a mask (X, Y, Z) the classes that the two stages predict in the ROI's box.

    From the faces of the box to `MARGIN_MM` within, the ROI stage takes over by and by.
    """
    inside = mask[roi[0].box]
    fill(inside, map(to_classes, blended(coarse, roi, spacing)))
    inside[settings.removed(inside)] = 0  # what the coarse stage alone had joined to the liver


def blended(coarse: Located, roi: Located, spacing: Spacing) -> Iterator[np.ndarray]:
    """Slabs (2, X, Y, ≤ SLAB) of the probabilities in the ROI's box, from feet to head."""
    box = roi[0].box
    x, y, z = _ramps(roi[0], spacing)
    across = x[:, None] * y
    slabs = zip(coarse[0].slabs(coarse[1], box), roi[0].slabs(roi[1], box), strict=True)
    for n, (before, after) in enumerate(slabs):
        weight = (z[n * SLAB : (n + 1) * SLAB, None, None] * across).transpose(1, 2, 0)
        after -= before
        after *= weight
        after += before
        yield after


def fill(inside: np.ndarray, slabs: Iterable[np.ndarray]) -> None:
    """Writes slabs (X, Y, ≤ SLAB) into an array, one after the other along z."""
    for n, slab in enumerate(slabs):
        inside[:, :, n * SLAB : (n + 1) * SLAB] = slab


def fill_box(values: np.ndarray, box: Box, part: Box, slabs: Iterable[np.ndarray]) -> None:
    """Writes slabs that fill the box `part` of a scan into `values`, which hold another `box` of
    it, as far as the two overlap."""
    low = [max(a.start, b.start) for a, b in zip(part, box, strict=True)]
    high = [max(n, min(a.stop, b.stop)) for n, a, b in zip(low, part, box, strict=True)]
    x, y = (slice(a - s.start, b - s.start) for a, b, s in zip(low, high, part[:2], strict=False))
    left = [slice(a - s.start, b - s.start) for a, b, s in zip(low, high, box, strict=True)]
    inside = values[left[0], left[1]]
    for n, slab in enumerate(slabs):
        start = part[2].start + n * SLAB
        first, last = max(start, low[2]), min(start + slab.shape[2], high[2])
        if first < last:
            kept = slice(first - box[2].start, last - box[2].start)
            inside[:, :, kept] = slab[x, y, first - start : last - start]


def _ramps(cube: Cube, spacing: Spacing) -> list[np.ndarray]:
    """Along each axis of a box, from 0 at its faces to 1 at `MARGIN_MM` and deeper.

    A face that is the scan's own is no seam: there it is 1 at once.
    """
    ramps = []
    for side, whole, mm in zip(cube.box, cube.shape, spacing, strict=True):
        centres = np.arange(side.start, side.stop) + 0.5
        ones = np.ones(len(centres))
        low = (centres - side.start) * mm / MARGIN_MM if side.start > 0 else ones
        high = (side.stop - centres) * mm / MARGIN_MM if side.stop < whole else ones
        ramps.append(np.minimum(np.minimum(low, high), 1).astype(np.float32))
    return ramps
