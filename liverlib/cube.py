"""Scan → cube of 128³ → scan: what a network sees, and the way back to the scan's own grid.

Resampling is one small matrix an axis. Going down, an output voxel is the average of what it
covers (area averaging: nothing is skipped, nothing shifts); going up, it is interpolated linearly
between centres. The same matrices take the image, the label and the prediction, so that they stay
registered at every ratio. Labels become occupancy: the share of a voxel that is liver or tumour.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy import ndimage

from liverlib import LiverlibError
from liverlib.files import atomic
from liverlib.nifti import crc32
from liverlib.scan import Volume
from liverlib.settings import setting

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # start, stop of voxels, RAS axes
SLAB = 2  # slices made at once: what they are made of stays in the processor's cache
BAND = 8  # rows of a matrix that share their range of columns; more, and BLAS starts threads
AHEAD = 64  # slices read at once where a file's slowest axis is not the patient's


@dataclass(frozen=True)
class CubeSettings:
    """How a scan becomes a cube."""

    size: int = setting(128, "voxels along each edge")
    window: tuple[float, float] = setting((-60.0, 200.0), "HU that become 0 and 255; clipped")
    crop: str = setting("body", "what the cube covers: body (without air and table) or all")
    method: str = setting("area", "area, or nearest: the original project's, to show its price")


@dataclass(frozen=True, eq=False)
class Cube:
    """A scan brought to (S, S, S) voxels, and where it lay.

    `image` is uint8 over the settings' window. `occupancy` (2, S, S, S), uint8, holds in 1/255 how
    much of each voxel is liver or tumour, and tumour; None without a label. `box` and `shape` are
    the part covered and the whole, in the scan's voxels.
    """

    image: np.ndarray
    occupancy: np.ndarray | None
    box: Box
    shape: tuple[int, int, int]
    method: str = "area"

    def to_grid(self, probabilities: np.ndarray) -> np.ndarray:
        """Classes (X, Y, Z) on the scan's grid, uint8, from (2, S, S, S) shares like `occupancy`.

        A voxel is liver where the first is at least ½, and tumour where also the second is.
        Works slab by slab: no float array of the scan's size is made.
        """
        mask = np.zeros(self.shape, np.uint8, order="F")
        inside = mask[tuple(slice(start, stop) for start, stop in self.box)]
        whole = tuple((0, n) for n in self.image.shape)
        slabs = (resampled(share, whole, inside.shape, self.method) for share in probabilities)
        for n, (liver, tumour) in enumerate(zip(*slabs, strict=True)):
            classes = (liver >= 0.5).astype(np.uint8)
            classes += (tumour >= 0.5) & (liver >= 0.5)
            inside[:, :, n * SLAB : (n + 1) * SLAB] = classes
        return mask

    def save(self, path: Path) -> None:
        """Writes the cube as one safetensors file, atomically."""
        arrays = {"image": np.ascontiguousarray(self.image)}  # a must: save_file does not look
        if self.occupancy is not None:
            arrays["occupancy"] = np.ascontiguousarray(self.occupancy)
        place = {"box": self.box, "shape": self.shape, "method": self.method}
        place["checksum"] = _checksum(place, arrays)
        with atomic(path) as temporary:  # one entry: safetensors orders several by chance
            save_file(arrays, temporary, {"place": json.dumps(place)})

    @classmethod
    def load(cls, path: Path) -> "Cube":
        """The cube in a file, its arrays mapped into memory, where processes share them.

        Raises `LiverlibError` where it is corrupt: not what its checksum says.
        """
        try:
            place, arrays = _mapped(path)
            if place.pop("checksum") != _checksum(place, arrays):
                raise ValueError("its checksum differs")
        except (OSError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise LiverlibError(
                f"{path}: not a cube ({error}). Delete it; it is made anew."
            ) from error
        box = tuple(tuple(edge) for edge in place["box"])
        occupancy = arrays.get("occupancy")
        return cls(arrays["image"], occupancy, box, tuple(place["shape"]), place["method"])


def _checksum(place: dict, arrays: dict[str, np.ndarray]) -> int:
    value = crc32(json.dumps(place).encode())
    for name in sorted(arrays):
        value = crc32(arrays[name], value)
    return value


def _mapped(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The place and the arrays in a cube's file; safetensors' own reader would copy them."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        described = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", 8 + size)
    place = json.loads(described.pop("__metadata__")["place"])
    return place, {
        name: data[slice(*one["data_offsets"])].reshape(one["shape"])
        for name, one in described.items()
    }


def to_cube(
    scan: Volume,
    label: Volume | None = None,
    settings: CubeSettings = CubeSettings(),
    box: Box | None = None,
) -> Cube:
    """The scan (and its label) inside `box`, by default as `settings.crop` says, as a cube."""
    if box is None:
        box = body_box(scan) if settings.crop == "body" else tuple((0, n) for n in scan.grid.shape)
    low, high = settings.window
    value, how = _clip(scan.voxels.dtype, low, high), (settings.size, settings.method)
    hu = _shrink(scan.voxels, box, *how, value)
    image = np.rint((hu - low) * (255 / (high - low))).astype(np.uint8)
    occupancy = _occupancy(label.voxels, box, *how) if label is not None else None
    return Cube(image, occupancy, box, scan.grid.shape, settings.method)


def _occupancy(label: np.ndarray, box: Box, size: int, method: str) -> np.ndarray:
    """How much of each voxel, in 1/255, is liver or tumour, and tumour: (2, S, S, S) uint8."""
    shares = []
    highest = _upright(label, lambda voxels: voxels.max(axis=2, keepdims=True))[:, :, 0]
    for least in (1, 2):  # only where it lies is looked at, and one voxel around
        parts = [_used(present) for present in ((highest >= least).T, highest >= least)]
        x, y = (slice(max(0, part.start - 1), part.stop + 1) for part in parts)
        moved = tuple(
            (edge[0] - part.start, edge[1] - part.start)
            for edge, part in zip(box, (x, y), strict=False)
        )
        share = _shrink(
            label[x, y], (*moved, box[2]), size, method, lambda block, n=least: block >= n
        )
        shares.append(np.rint(255 * share).astype(np.uint8))
    return np.stack(shares)


def _shrink(
    voxels: np.ndarray, box: Box, size: int, method: str, value: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return np.concatenate(list(resampled(voxels, box, (size,) * 3, method, value)), axis=2)


def _upright(voxels: np.ndarray, value: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`value` of the voxels, taken forwards through memory: three times as fast as backwards."""
    forwards = tuple(slice(None, None, -1 if step < 0 else 1) for step in voxels.strides)
    return value(voxels[forwards])[forwards]


def resampled(
    voxels: np.ndarray,
    box: tuple,
    size: tuple[int, int, int],
    method: str = "area",
    value: Callable[[np.ndarray], np.ndarray] = lambda block: block,
) -> Iterator[np.ndarray]:
    """`voxels` inside `box`, brought to `size` voxels: slabs (X, Y, ≤ SLAB) from feet to head.

    `value` turns each block of input, (z, y, x), into what is averaged; blocks of nothing but
    False cost nothing. `box` may reach beyond the array, which then counts as zero there.
    """
    along_x, along_y, along_z = (
        axis_weights(voxels.shape[i], size[i], *box[i], method) for i in range(3)
    )
    used_x, used_y = _used(along_x), _used(along_y)
    bands_x, bands_y = _bands(along_x[:, used_x]), _bands(along_y[:, used_y])
    slabs = [along_z[start : start + SLAB] for start in range(0, size[2], SLAB)]
    blocks = _blocks(voxels[used_x, used_y], [_used(weights) for weights in slabs])
    for weights, block in zip(slabs, blocks, strict=True):
        block = _upright(block, value)
        if block.dtype == bool and not block.any():
            yield np.zeros((size[0], size[1], len(weights)), np.float32)
            continue
        block = block.astype(np.float32, order="C", copy=False)
        weights = np.ascontiguousarray(weights[:, _used(weights)])
        slices = np.matmul(weights, block.swapaxes(0, 1)).swapaxes(0, 1)
        rows = _along(bands_y, slices)  # (z, y, x)
        yield _along(bands_x, rows.swapaxes(1, 2)).transpose(1, 2, 0)  # (x, y, z)


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


def body_box(scan: Volume, threshold: float = -300, margin_mm: float = 5) -> Box:
    """The box around the body: the largest connected piece denser than `threshold` HU.

    Found on about every fourth millimetre; thin things, such as the table's top, are eroded away
    first. The whole scan where nothing is dense enough.
    """
    step = np.maximum(1, np.rint(4 / scan.grid.spacing).astype(int))
    coarse = scan.voxels[tuple(slice(n // 2, None, n) for n in step)] > threshold
    solid = ndimage.binary_opening(coarse, iterations=2)
    pieces, count = ndimage.label(solid)
    if not count:
        return tuple((0, n) for n in scan.grid.shape)
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    found = ndimage.find_objects(pieces, largest)[largest - 1]
    margin = np.ceil(margin_mm / scan.grid.spacing).astype(int) + step
    return tuple(
        (max(0, int(part.start * n - m)), min(size, int(part.stop * n + m)))
        for part, n, m, size in zip(found, step, margin, scan.grid.shape, strict=True)
    )


def _clip(dtype: np.dtype, low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    """Clips to the window; integers among themselves where they can, which is twice as fast."""
    if dtype.kind == "f" or not (float(low).is_integer() and float(high).is_integer()):
        return lambda block: np.clip(block, np.float32(low), np.float32(high))
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    edges = (min(max(int(edge), least), most) for edge in (low, high))
    low, high = (dtype.type(edge) for edge in edges)
    return lambda block: np.clip(block, low, high)


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


def _bands(weights: np.ndarray) -> list[tuple[slice, slice, np.ndarray]]:
    """Rows, the columns that they touch, and the weights there: all else is zero."""
    starts = range(0, len(weights), BAND)
    rows = [slice(start, min(start + BAND, len(weights))) for start in starts]
    columns = [_used(weights[some]) for some in rows]
    return [(r, c, np.ascontiguousarray(weights[r, c])) for r, c in zip(rows, columns, strict=True)]


def _along(bands: list[tuple[slice, slice, np.ndarray]], block: np.ndarray) -> np.ndarray:
    """`block` (n, in, m) with the bands' matrix applied to its middle axis, (n, out, m)."""
    out = np.empty((len(block), bands[-1][0].stop, block.shape[2]), np.float32)
    for rows, columns, weights in bands:
        np.matmul(weights, block[:, columns], out=out[:, rows])
    return out


def _used(weights: np.ndarray) -> slice:
    """The range of input voxels that any of the weights touches; one voxel where none is."""
    columns = np.flatnonzero(weights.any(axis=0))
    return slice(int(columns[0]), int(columns[-1]) + 1) if columns.size else slice(0, 1)
