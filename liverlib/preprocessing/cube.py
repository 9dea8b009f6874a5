"""Scan → cube of 128³ → scan: what a network sees, and the way back to the scan's own grid.

Image, label and prediction are resampled by the same matrices, so that they stay registered at
every ratio. Labels become soft labels: how much of a voxel is liver or tumour.

A cube holds a whole body (coarse stage) or the liver alone (ROI stage). In the latter, grey values
are counted from that liver's own median, so that a tumour looks alike in every contrast phase.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from liverlib.core.arrays import Box, is_lack_of_memory, to_box
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, write_sparse
from liverlib.core.settings import CheckedSettings, require, setting
from liverlib.io.nifti_bytes import crc32
from liverlib.io.volume import Volume, check_grid

from .boxes import body_box, liver_box, max_projection, whole_box
from .resample import SLAB, clip, resampled, used

ROI_WINDOW = (-120.0, 120.0)  # HU of the ROI stage, counted from the liver's median


@dataclass(frozen=True)
class CubeSettings(CheckedSettings):
    """How a scan becomes a cube; with crop="liver", `window` is counted from the liver's median.

    >>> CubeSettings(size=96).window
    (-60.0, 200.0)
    """

    size: int = setting(128, "voxels along each edge", low=4, high=512)
    window: tuple[float, float] = setting(
        (-60.0, 200.0), "HU that become 0 and 255; clipped", low=-100_000, high=100_000
    )
    crop: str = setting(
        "body",
        "what the cube covers: body (no air, no table), liver, or all",
        choices=("body", "liver", "all"),
    )
    method: str = setting(
        "area",
        "area, or nearest: the original project's, to show its price",
        choices=("area", "nearest"),
    )

    def __post_init__(self) -> None:
        """Raises `LiverlibError` where a value is not allowed."""
        super().__post_init__()
        low, high = self.window
        rises = high - low >= 1
        require(rises, "window", self.window, "2 numbers, the second higher by 1 HU or more")


@dataclass(frozen=True, eq=False)
class Cube:
    """A scan brought to (S, S, S) voxels, and the part of it that they cover.

    `image` is uint8 over the settings' window. `soft_labels` (2, S, S, S), uint8, holds in 1/255
    how much of each voxel is liver or tumour, and tumour; None without a label. `box` and `shape`
    are the part covered and the whole, in the scan's voxels.

    >>> to_cube(scan, label).image.shape
    (128, 128, 128)
    """

    image: np.ndarray
    soft_labels: np.ndarray | None
    box: Box
    shape: tuple[int, int, int]
    method: str = "area"

    def to_grid(self, probabilities: np.ndarray) -> np.ndarray:
        """Classes (X, Y, Z) on the scan's grid, uint8, of (2, S, S, S) values 0…1.

        Takes soft labels or probabilities: of liver or tumour, and of tumour. Works slab by slab:
        no float array of the scan's size is made.
        """
        mask = np.zeros(self.shape, np.uint8, order="F")
        inside = mask[self.box]
        for n, slab in enumerate(self.slabs(probabilities, self.box)):
            inside[:, :, n * SLAB : (n + 1) * SLAB] = to_classes(slab)
        return mask

    def slabs(self, probabilities: np.ndarray, box: Box) -> Iterator[np.ndarray]:
        """The values (2, S, S, S) at the scan's voxels in `box`, which lies within the cube's own:
        slabs (2, X, Y, ≤ SLAB), from feet to head."""
        part = tuple(
            tuple(
                (edge - whole.start) * n / (whole.stop - whole.start) for edge in (b.start, b.stop)
            )
            for b, whole, n in zip(box, self.box, self.image.shape, strict=True)
        )
        size = tuple(side.stop - side.start for side in box)
        channels = (resampled(values, part, size, self.method) for values in probabilities)
        for pair in zip(*channels, strict=True):
            slices = np.stack([values.transpose(2, 0, 1) for values in pair])
            yield slices.transpose(0, 2, 3, 1)  # slices stay in one piece

    def save(self, path: Path) -> None:
        """Writes the cube as one safetensors file, atomically."""
        arrays = {"image": np.ascontiguousarray(self.image)}  # a must: save_file does not look
        if self.soft_labels is not None:
            arrays["soft_labels"] = np.ascontiguousarray(self.soft_labels)
        box = [(side.start, side.stop) for side in self.box]
        geometry: dict[str, Any] = {"box": box, "shape": self.shape, "method": self.method}
        geometry["checksum"] = _checksum(geometry, arrays)
        with atomic(path) as temporary:  # one entry: safetensors orders several by chance
            write_sparse(temporary, save(arrays, {"geometry": json.dumps(geometry)}))

    @classmethod
    def load(cls, path: Path) -> "Cube":
        """The cube in a file, its arrays mapped into memory, where processes share them.

        Raises `LiverlibError` where it is corrupt: not what its checksum says.
        """
        try:
            geometry, arrays = _mapped(path)
            if geometry.pop("checksum") != _checksum(geometry, arrays):
                raise ValueError("its checksum differs")
        except (OSError, KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            if is_lack_of_memory(error):
                raise LiverlibError(
                    f"{path}: not enough memory for this cube of {path.stat().st_size:,} bytes. "
                    "Use fewer workers, or close other programs."
                ) from error
            raise LiverlibError(
                f"{path}: not a cube ({error}). Delete it; it is made anew."
            ) from error
        box = to_box(slice(*edges) for edges in geometry["box"])
        shape, soft = tuple(geometry["shape"]), arrays.get("soft_labels")
        return cls(arrays["image"], soft, box, shape, geometry["method"])


def to_classes(probabilities: np.ndarray) -> np.ndarray:
    """Values (2, …) → classes (…): liver where the first is at least ½, tumour where both are."""
    liver, tumour = probabilities >= 0.5
    return liver.astype(np.uint8) + (tumour & liver)


def to_cube(
    scan: Volume,
    label: Volume | None = None,
    settings: CubeSettings = CubeSettings(),
    box: Box | None = None,
    level: float = 0.0,
) -> Cube:
    """The scan (and its label) inside `box` as a cube, its window moved by `level` HU.

    Raises `LiverlibError` where a cube of the liver has neither a label nor a box, and for a label
    on another grid.

    Args:
        scan: in Hounsfield units.
        label: its classes on the same grid.
        settings: the cube's size, window and method.
        box: the part of the scan to cover; by default what `settings.crop` says, of the label.
        level: HU by which the window is moved; with ``crop="liver"`` the liver's median.

    >>> cube = to_cube(scan, label)
    >>> mask = cube.to_grid(cube.soft_labels / 255)
    """
    if label is not None:
        check_grid(label, scan)
    if box is None and settings.crop == "liver":
        if label is None:
            raise LiverlibError(f"{scan.name}: a cube of the liver needs a label, or a box.")
        box, level = _liver(scan, label)
    elif box is None:
        box = body_box(scan) if settings.crop == "body" else whole_box(scan.grid.shape)
    how, (low, high) = (settings.size, settings.method), (edge + level for edge in settings.window)
    clipped = clip(scan.voxels.dtype, low, high)
    image = _shrink(scan.voxels, _edges(box), *how, (low, high), clipped)
    soft = _soft_labels(label.voxels, box, *how) if label is not None else None
    return Cube(image, soft, box, scan.grid.shape, settings.method)


Edges = tuple[tuple[int, int], ...]  # of a box that may reach beyond the array


def _edges(box: Box) -> Edges:
    return tuple((side.start, side.stop) for side in box)


def _soft_labels(label: np.ndarray, box: Box, size: int, method: str) -> np.ndarray:
    """How much of each voxel, in 1/255, is liver or tumour, and tumour: (2, S, S, S) uint8."""
    soft, highest = [], max_projection(label)
    for least in (1, 2):  # only the part that holds the class is read, and one voxel around
        parts = [used(present) for present in ((highest >= least).T, highest >= least)]
        starts = [max(0, part.start - 1) for part in parts] + [0]
        moved = tuple(
            (low - n, high - n) for (low, high), n in zip(_edges(box), starts, strict=True)
        )
        x, y = (slice(n, part.stop + 1) for n, part in zip(starts, parts, strict=False))
        value = partial(np.less_equal, least)
        soft.append(_shrink(label[x, y], moved, size, method, (0, 1), value))
    return np.stack(soft)


def _shrink(
    voxels: np.ndarray,
    edges: Edges,
    size: int,
    method: str,
    window: tuple[float, float],
    value: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """(S, S, S) uint8: 0…255 over `window`."""
    low, high = window
    lines = np.empty((size, size, size + 1), np.uint8)  # a power of two would crowd the cache
    cube = lines[:, :, :size].transpose(1, 2, 0)  # slices in one piece, as they come
    for n, slab in enumerate(resampled(voxels, edges, cube.shape, method, value)):
        cube[:, :, n * SLAB : (n + 1) * SLAB] = np.rint((slab - low) * (255 / (high - low)))
    return np.ascontiguousarray(cube)


def _liver(scan: Volume, label: Volume) -> tuple[Box, float]:
    """The box around the label's liver, and its median HU rounded; the body where there is none."""
    box = liver_box(label.voxels, scan.grid.spacing)
    if box is None:
        return body_box(scan), 0.0
    return box, float(np.rint(np.median(scan.voxels[box][label.voxels[box] >= 1])))


def _checksum(geometry: dict, arrays: dict[str, np.ndarray]) -> int:
    value = crc32(json.dumps(geometry).encode())
    for name in sorted(arrays):
        value = crc32(arrays[name], value)
    return value


def _mapped(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The geometry and the arrays in a cube's file; safetensors' own reader would copy them."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError(f"its header claims {size:,} bytes")
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", 8 + size)
    geometry = json.loads(header.pop("__metadata__")["geometry"])
    return geometry, {
        name: data[slice(*entry["data_offsets"])].reshape(entry["shape"])
        for name, entry in header.items()
    }
