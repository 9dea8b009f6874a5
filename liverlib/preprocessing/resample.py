"""Resampling volumes, slab by slab, with one small matrix an axis.

Going down, an output voxel is the average of what it covers (area averaging: nothing is skipped,
nothing shifts); going up, it is interpolated linearly between centres. The matrices are nearly all
zeros: bands of their rows meet only the part of a slice that they weigh.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

SLAB = 2  # slices made at once: what they are made of stays in the processor's cache
BAND = 8  # rows of a matrix that share their range of columns; more, and BLAS starts threads
AHEAD = 64  # slices read at once where a file's slowest axis is not the patient's


def resampled(
    voxels: np.ndarray,
    box: Sequence[tuple[float, float]],
    size: tuple[int, int, int],
    method: str = "area",
    value: Callable[[np.ndarray], np.ndarray] = lambda block: block,
) -> Iterator[np.ndarray]:
    """`voxels` inside `box`, brought to `size` voxels: slabs (X, Y, ≤ SLAB) from feet to head.

    `value` turns each block of input, (z, y, x), into what is averaged; blocks of nothing but
    False cost nothing. `box` holds (start, stop) along each axis; it may reach beyond the array,
    which counts as zero there.
    """
    along_x, along_y, along_z = (
        axis_weights(voxels.shape[i], size[i], *box[i], method) for i in range(3)
    )
    used_x, used_y = used(along_x), used(along_y)
    bands_x, bands_y = _bands(along_x[:, used_x]), _bands(along_y[:, used_y])
    slabs = [along_z[start : start + SLAB] for start in range(0, size[2], SLAB)]
    blocks = _blocks(voxels[used_x, used_y], [used(weights) for weights in slabs])
    for weights, block in zip(slabs, blocks, strict=True):
        turn = (slice(None), *forwards(block)[1:])
        block = value(block[turn])
        if block.dtype == bool and not block.any():
            yield np.zeros((size[0], size[1], len(weights)), np.float32)
            continue
        block = block.astype(np.float32, order="C", copy=False)
        weights = np.ascontiguousarray(weights[:, used(weights)])
        slices = np.matmul(weights, block.swapaxes(0, 1)).swapaxes(0, 1)[turn]
        rows = _along(bands_y, np.ascontiguousarray(slices))  # (z, y, x)
        yield _along(bands_x, rows.swapaxes(1, 2)).transpose(1, 2, 0)  # (x, y, z)


def clip(dtype: np.dtype, low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    """A `value` for `resampled` that clips to a window; integers among themselves, where
    they can, which is twice as fast."""
    if dtype.kind == "f" or not (float(low).is_integer() and float(high).is_integer()):
        return lambda block: np.clip(block, np.float32(low), np.float32(high))
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    edges = (min(max(int(edge), least), most) for edge in (low, high))
    low, high = (dtype.type(edge) for edge in edges)
    return lambda block: np.clip(block, low, high)


def axis_weights(n_in: int, n_out: int, start: float, stop: float, method: str) -> np.ndarray:
    """The matrix (n_out, n_in) that resamples one axis from `start` to `stop` of its voxels' edges.

    Output voxels wider than input voxels average what they cover; narrower ones interpolate
    between the two nearest centres. ``nearest`` takes the voxel at floor(i · in / out), which is
    what ``torch.nn.functional.interpolate`` does and why its results are shifted.
    """
    edges = np.linspace(start, stop, n_out + 1)[:, None]
    low, high = edges[:-1], edges[1:]
    voxel = np.arange(n_in)[None]
    if method == "nearest":
        weights = voxel == np.floor(low + 1e-6)
    elif (stop - start) / n_out > 1:
        covered = np.minimum(high, voxel + 1) - np.maximum(low, voxel)
        weights = np.clip(covered, 0, None) / (high - low)
    else:
        centre = (low + high) / 2 - 0.5
        inside = (centre >= -0.5) & (centre <= n_in - 0.5)
        weights = np.clip(1 - np.abs(np.clip(centre, 0, n_in - 1) - voxel), 0, None) * inside
    return weights.astype(np.float32)


def _blocks(voxels: np.ndarray, parts: list[slice]) -> Iterator[np.ndarray]:
    """The slices of each part, (z, y, x).

    Where slices lie scattered in memory, many are copied at once, as their lines would otherwise
    be fetched again for every part.
    """
    scattered = abs(voxels.strides[2]) < max(map(abs, voxels.strides))
    chunk, start = voxels, 0
    if scattered:
        chunk = voxels[:, :, :0]
    for part in parts:
        if part.start < start or part.stop > start + chunk.shape[2]:
            start = part.start
            chunk = voxels[:, :, start : max(part.stop, start + AHEAD)].copy(order="F")
        yield chunk[:, :, part.start - start : part.stop - start].T


def forwards(voxels: np.ndarray) -> tuple[slice, ...]:
    """The index that turns a view round (and back) so that it goes forwards through memory, as
    computing needs only a third of the time there."""
    return tuple(slice(None, None, -1 if step < 0 else 1) for step in voxels.strides)


def _bands(weights: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """Rows, the columns that they touch, and the weights there: all else is zero."""
    starts = range(0, len(weights), BAND)
    rows = [slice(start, min(start + BAND, len(weights))) for start in starts]
    columns = [used(weights[band]) for band in rows]
    return [(r, c, np.ascontiguousarray(weights[r, c])) for r, c in zip(rows, columns, strict=True)]


def _along(bands: list[tuple[slice, slice, np.ndarray]], block: np.ndarray) -> np.ndarray:
    """`block` (n, in, m) with the bands' matrix applied to its middle axis, (n, out, m)."""
    out = np.empty((len(block), bands[-1][0].stop, block.shape[2]), np.float32)
    for rows, columns, weights in bands:
        np.matmul(weights, block[:, columns], out=out[:, rows])
    return out


def used(weights: np.ndarray) -> slice:
    """The range of input voxels that any of the weights touches; one voxel where none is."""
    columns = np.flatnonzero(weights.any(axis=0))
    return slice(int(columns[0]), int(columns[-1]) + 1) if columns.size else slice(0, 1)
