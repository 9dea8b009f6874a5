"""Scan → cube of 128³ → scan: what a network sees, and the way back to the scan's own grid.

Image, label and prediction are resampled by the same matrices, so that they stay registered at
every ratio. Labels become occupancy: the share of a voxel that is liver or tumour.

A cube holds a whole body, or, for a second look, the liver that was found. Then grey values are
counted from that liver's own median, so that a tumour looks alike in every contrast phase.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, write_sparse
from liverlib.core.settings import setting
from liverlib.io.nifti_bytes import crc32
from liverlib.io.volume import Volume

from .boxes import Box, body_box, liver_box, max_projection
from .resample import SLAB, clip, resampled, used

ROI_WINDOW = (-120.0, 120.0)  # of the second look, from the liver's median on


@dataclass(frozen=True)
class CubeSettings:
    """How a scan becomes a cube; with crop="liver", `window` is counted from the liver's median."""

    size: int = setting(128, "voxels along each edge")
    window: tuple[float, float] = setting((-60.0, 200.0), "HU that become 0 and 255; clipped")
    crop: str = setting("body", "what the cube covers: body (no air, no table), liver, or all")
    method: str = setting("area", "area, or nearest: the original project's, to show its price")


@dataclass(frozen=True, eq=False)
class Cube:
    """A scan brought to (S, S, S) voxels, and where it lay.

    `image` is uint8 over the settings' window. `soft_labels` (2, S, S, S), uint8, holds in 1/255 how
    much of each voxel is liver or tumour, and tumour; None without a label. `box` and `shape` are
    the part covered and the whole, in the scan's voxels.
    """

    image: np.ndarray
    soft_labels: np.ndarray | None
    box: Box
    shape: tuple[int, int, int]
    method: str = "area"

    def to_grid(self, shares: np.ndarray) -> np.ndarray:
        """Classes (X, Y, Z) on the scan's grid, uint8, from (2, S, S, S) shares like `soft_labels`.

        Works slab by slab: no float array of the scan's size is made.
        """
        mask = np.zeros(self.shape, np.uint8, order="F")
        inside = mask[tuple(slice(start, stop) for start, stop in self.box)]
        for n, slab in enumerate(self.slabs(shares, self.box)):
            inside[:, :, n * SLAB : (n + 1) * SLAB] = classes(slab)
        return mask

    def slabs(self, shares: np.ndarray, box: Box) -> Iterator[np.ndarray]:
        """The shares (2, S, S, S) brought to the scan's voxels in `box`, which lies within the
        cube's own: slabs (2, X, Y, ≤ SLAB), from feet to head."""
        part = tuple(
            ((low - start) * n / (stop - start), (high - start) * n / (stop - start))
            for (low, high), (start, stop), n in zip(box, self.box, self.image.shape, strict=True)
        )
        size = tuple(high - low for low, high in box)
        pairs = (resampled(share, part, size, self.method) for share in shares)
        turned = ([share.transpose(2, 0, 1) for share in pair] for pair in zip(*pairs, strict=True))
        return (np.stack(pair).transpose(0, 2, 3, 1) for pair in turned)  # slices stay in one piece

    def save(self, path: Path) -> None:
        """Writes the cube as one safetensors file, atomically."""
        arrays = {"image": np.ascontiguousarray(self.image)}  # a must: save_file does not look
        if self.soft_labels is not None:
            arrays["occupancy"] = np.ascontiguousarray(self.soft_labels)
        place = {"box": self.box, "shape": self.shape, "method": self.method}
        place["checksum"] = _checksum(place, arrays)
        with atomic(path) as temporary:  # one entry: safetensors orders several by chance
            write_sparse(temporary, save(arrays, {"place": json.dumps(place)}))

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
        soft_labels = arrays.get("occupancy")
        return cls(arrays["image"], soft_labels, box, tuple(place["shape"]), place["method"])


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


def classes(shares: np.ndarray) -> np.ndarray:
    """Shares (2, …) → classes (…): liver where the first is at least ½, tumour where both are."""
    liver, tumour = shares >= 0.5
    return liver.astype(np.uint8) + (tumour & liver)


def to_cube(
    scan: Volume,
    label: Volume | None = None,
    settings: CubeSettings = CubeSettings(),
    box: Box | None = None,
    level: float = 0.0,
) -> Cube:
    """The scan (and its label) inside `box` as a cube, its window moved by `level` HU.

    By default the box is what `settings.crop` says. With a label and ``crop="liver"`` both come
    from the label's liver; without one they must be given.
    """
    if box is None and settings.crop == "liver":
        box, level = _liver(scan, label)
    elif box is None:
        box = body_box(scan) if settings.crop == "body" else tuple((0, n) for n in scan.grid.shape)
    how, window = (settings.size, settings.method), tuple(edge + level for edge in settings.window)
    image = _shrink(scan.voxels, box, *how, window, clip(scan.voxels.dtype, *window))
    soft_labels = _soft_labels(label.voxels, box, *how) if label is not None else None
    return Cube(image, soft_labels, box, scan.grid.shape, settings.method)


def _soft_labels(label: np.ndarray, box: Box, size: int, method: str) -> np.ndarray:
    """How much of each voxel, in 1/255, is liver or tumour, and tumour: (2, S, S, S) uint8."""
    shares, highest = [], max_projection(label)
    for least in (1, 2):  # only where it lies is looked at, and one voxel around
        parts = [used(present) for present in ((highest >= least).T, highest >= least)]
        starts = [max(0, part.start - 1) for part in parts] + [0]
        moved = tuple((low - n, high - n) for (low, high), n in zip(box, starts, strict=True))
        x, y = (slice(n, part.stop + 1) for n, part in zip(starts, parts, strict=False))
        value = partial(np.less_equal, least)
        shares.append(_shrink(label[x, y], moved, size, method, (0, 1), value))
    return np.stack(shares)


def _shrink(
    voxels: np.ndarray,
    box: Box,
    size: int,
    method: str,
    window: tuple[float, float],
    value: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """(S, S, S) uint8: 0…255 over `window`."""
    low, high = window
    lines = np.empty((size, size, size + 1), np.uint8)  # a power of two would crowd the cache
    cube = lines[:, :, :size].transpose(1, 2, 0)  # slices in one piece, as they come
    for n, slab in enumerate(resampled(voxels, box, cube.shape, method, value)):
        cube[:, :, n * SLAB : (n + 1) * SLAB] = np.rint((slab - low) * (255 / (high - low)))
    return np.ascontiguousarray(cube)


def _liver(scan: Volume, label: Volume) -> tuple[Box, float]:
    """The box around the label's liver, and its median HU rounded; the body where there is none."""
    box = liver_box(label.voxels, scan.grid.spacing)
    if box is None:
        return body_box(scan), 0.0
    part = tuple(slice(*edge) for edge in box)
    return box, float(np.rint(np.median(scan.voxels[part][label.voxels[part] >= 1])))
