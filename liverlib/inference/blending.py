"""Where the second look takes over from the first, without a seam."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from liverlib.preprocessing.boxes import MARGIN_MM, Box
from liverlib.preprocessing.cube import Cube, classes
from liverlib.preprocessing.resample import SLAB

from .postprocessing import PostprocessSettings

Shares = tuple[Cube, np.ndarray]  # a cube, and (2, S, S, S) like its occupancy, 0…1


def blend(
    mask: np.ndarray,
    first: Shares,
    second: Shares,
    spacing: Sequence[float],
    rules: PostprocessSettings = PostprocessSettings(),
) -> None:
    """Draws into the mask what the second look says inside its box.

    It takes over from the first by and by, over `MARGIN_MM` from the faces of its box, so that no
    seam is left.
    """
    inside = part_of(mask, second[0].box)
    fill(inside, map(classes, blended(first, second, spacing)))
    inside[rules.dropped(inside)] = 0  # what the first look alone had joined to the liver


def blended(first: Shares, second: Shares, spacing: Sequence[float]) -> Iterator[np.ndarray]:
    """Slabs (2, X, Y, ≤ SLAB) of the shares in the second look's box."""
    box = second[0].box
    x, y, z = _ramps(second[0], spacing)
    across = x[:, None] * y
    slabs = zip(first[0].slabs(first[1], box), second[0].slabs(second[1], box), strict=True)
    for n, (before, after) in enumerate(slabs):
        weight = (z[n * SLAB : (n + 1) * SLAB, None, None] * across).transpose(1, 2, 0)
        after -= before
        after *= weight
        after += before
        yield after


def _ramps(cube: Cube, spacing: Sequence[float]) -> list[np.ndarray]:
    """Along each axis of a box, from 0 at its faces to 1 at `MARGIN_MM` and deeper.

    A face that is the scan's own is no seam: there it is 1 at once.
    """
    ramps = []
    for (start, stop), whole, mm in zip(cube.box, cube.shape, spacing, strict=True):
        at = np.arange(start, stop) + 0.5
        low = (at - start) * mm / MARGIN_MM if start > 0 else np.ones(len(at))
        high = (stop - at) * mm / MARGIN_MM if stop < whole else np.ones(len(at))
        ramps.append(np.minimum(np.minimum(low, high), 1).astype(np.float32))
    return ramps


def part_of(array: np.ndarray, box: Box) -> np.ndarray:
    return array[tuple(slice(start, stop) for start, stop in box)]


def fill(inside: np.ndarray, slabs: Iterable[np.ndarray]) -> None:
    for n, slab in enumerate(slabs):
        inside[:, :, n * SLAB : (n + 1) * SLAB] = slab
