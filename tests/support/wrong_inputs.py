"""Scans spoilt in many ways, and which cause a program should name for each.

Each kind takes a scan and its liver (classes; a prediction where no label is known) and gives the
spoilt scan; None where the scan cannot be spoilt so. A kind's random numbers are its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from liverlib.io.volume import Grid, Volume

Spoil = Callable[[Volume, np.ndarray], Volume | None]


@dataclass(frozen=True)
class Kind:
    """A way to spoil a scan; `causes` are those that name it rightly."""

    spoil: Spoil
    causes: tuple[str, ...]


def _values(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(scan: Volume, _: np.ndarray) -> Volume:
        return Volume(change(scan.voxels.astype(np.int32)), scan.grid, scan.name)

    return spoil


def _turned(*axes: int) -> Spoil:
    def spoil(scan: Volume, _: np.ndarray) -> Volume:
        return Volume(np.flip(scan.voxels, axes), scan.grid, scan.name)

    return spoil


def _spaced(change: Callable[[np.ndarray], np.ndarray], origin: float = 7.0) -> Spoil:
    """The same voxels with another spacing in the header."""

    def spoil(scan: Volume, _: np.ndarray) -> Volume:
        affine = np.diag([*change(scan.grid.spacing), 1.0])
        affine[:3, 3] = origin
        return Volume(scan.voxels, Grid.of(scan.grid.shape, affine), scan.name)

    return spoil


def _part(scan: Volume, *sides: slice) -> Volume | None:
    """A part of the scan; None where it is less than 8 voxels wide."""
    voxels = scan.voxels[sides]
    if min(voxels.shape) < 8:
        return None
    return Volume(voxels, Grid.of(voxels.shape, np.diag([*scan.grid.spacing, 1.0])), scan.name)


def _height(liver: np.ndarray) -> tuple[int, int]:
    used = np.flatnonzero(liver.any(axis=(0, 1)))
    return int(used[0]), int(used[-1]) + 1


def mr_like(values: np.ndarray) -> np.ndarray:
    """Fat bright, soft tissue grey, air and bone dark, never negative."""
    random = np.random.default_rng(1)
    tissue = np.interp(values, [-1000, -300, -150, -50, 0, 100, 250, 800], [0, 5, 600, 550, 180, 330, 260, 20])  # fmt: skip  # noqa: E501
    return np.abs(tissue + random.normal(0, 20, values.shape)).astype(np.int16)


def below_liver(scan: Volume, liver: np.ndarray) -> Volume | None:
    """The pelvis, or what the scan shows of it."""
    low, _ = _height(liver)
    return _part(scan, slice(None), slice(None), slice(0, low))


def above_liver(scan: Volume, liver: np.ndarray) -> Volume | None:
    """The chest, or what the scan shows of it."""
    _, high = _height(liver)
    return _part(scan, slice(None), slice(None), slice(high, None))


def blanked(scan: Volume, liver: np.ndarray) -> Volume:
    """The liver replaced by air."""
    return Volume(np.where(liver > 0, -1000, scan.voxels), scan.grid, scan.name)


def small_crop(scan: Volume, liver: np.ndarray) -> Volume | None:
    """A cube of 60 mm around the middle of the liver."""
    middle = np.argwhere(liver)[::100].mean(axis=0)
    half = np.maximum(30 / scan.grid.spacing, 4)
    sides = (slice(max(0, int(m - h)), int(m + h)) for m, h in zip(middle, half, strict=True))
    return _part(scan, *sides)


def few_slices(scan: Volume, liver: np.ndarray) -> Volume:
    """20 mm or three slices in the middle of the liver."""
    middle, half = sum(_height(liver)) // 2, max(1, int(10 / scan.grid.spacing[2]))
    low = max(0, middle - half)
    voxels = scan.voxels[:, :, low : low + 2 * half + 1]
    return Volume(voxels, Grid.of(voxels.shape, np.diag([*scan.grid.spacing, 1.0])), scan.name)


def few_voxels(scan: Volume, _: np.ndarray) -> Volume:
    """Subsampled to voxels of 20 mm."""
    step = np.maximum(1, np.rint(20 / scan.grid.spacing)).astype(int)
    voxels = scan.voxels[tuple(slice(None, None, n) for n in step)]
    affine = np.diag([*(scan.grid.spacing * step), 1.0])
    return Volume(voxels, Grid.of(voxels.shape, affine), scan.name)


def swapped(*order: int) -> Spoil:
    """Axes exchanged, and their spacing with them."""

    def spoil(scan: Volume, _: np.ndarray) -> Volume:
        voxels = scan.voxels.transpose(order)
        affine = np.diag([*scan.grid.spacing[list(order)], 1.0])
        return Volume(voxels, Grid.of(voxels.shape, affine), scan.name)

    return spoil


def shuffled_slices(scan: Volume, _: np.ndarray) -> Volume:
    """Slices in the order of badly sorted file names."""
    order = np.random.default_rng(2).permutation(scan.voxels.shape[2])
    return Volume(scan.voxels[:, :, order], scan.grid, scan.name)


def head(scan: Volume, _: np.ndarray) -> Volume:
    """A skull with a brain, in voxels of 2 mm; it differs with the scan's name."""
    random = np.random.default_rng(list(scan.name.encode()))
    x, y, z = (2.0 * axis for axis in np.ogrid[-80:80, -80:80, -60:60])
    radius = np.sqrt((x / 75) ** 2 + (y / 92) ** 2 + (z / 95) ** 2) * random.uniform(0.95, 1.05)
    neck = np.sqrt((x / 60) ** 2 + (y / 65) ** 2) + 0 * z
    hu = np.where((radius < 1.06) | ((neck < 1) & (z < -60)), 40.0, -1000.0)
    hu[(radius > 0.93) & (radius < 1)] = 900
    hu[radius < 0.93] = 35
    hu[((x / 12) ** 2 + (y / 35) ** 2 + (z / 20) ** 2 < 1)] = 8  # ventricles
    hu += random.normal(0, 8, hu.shape)
    return Volume(hu.astype(np.int16), Grid.of(hu.shape, np.diag([2.0, 2, 2, 1])), scan.name)


def label_file(scan: Volume, liver: np.ndarray) -> Volume:
    """The label, given as the scan."""
    return Volume(liver, scan.grid, scan.name)


def _noise(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 200, values.shape).astype(np.int16)


def _air(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(4).normal(-1000, 10, values.shape).astype(np.int16)


GREY = ("offset", "scale", "wrapped", "inverted", "window", "modality", "clipped")
KINDS: dict[str, Kind] = {
    "HU + 1024": Kind(_values(lambda v: v + 1024), ("offset",)),
    "HU × 10": Kind(_values(lambda v: v * 10), ("scale",)),
    "HU ÷ 1000": Kind(_values(lambda v: v / 1000), ("scale",)),
    "inverted": Kind(_values(lambda v: 1024 - v), ("inverted",)),
    "16 bits without a sign": Kind(_values(lambda v: v % 65536), ("wrapped",)),
    "a window, 0 to 255": Kind(
        _values(lambda v: np.clip((v + 160) * (255 / 400), 0, 255).astype(np.uint8)), ("window",)
    ),
    "normalised, 0 to 1": Kind(
        _values(lambda v: np.clip((v + 1000) / 2000, 0, 1).astype(np.float32)), ("window", "scale")
    ),
    "clipped to -160 to 240": Kind(_values(lambda v: v.clip(-160, 240)), ("clipped",)),
    "MR-like": Kind(_values(mr_like), ("modality",)),
    "constant": Kind(_values(lambda v: 0 * v), ("constant",)),
    "noise": Kind(_values(_noise), ("noise",)),
    "air": Kind(_values(_air), ("air",)),
    "label as scan": Kind(label_file, ("label",)),
    "head": Kind(head, ("liver", "spacing")),
    "pelvis": Kind(below_liver, ("liver", "coverage")),
    "chest": Kind(above_liver, ("liver", "coverage")),
    "liver blanked": Kind(blanked, ("liver",)),
    "small crop": Kind(small_crop, ("coverage", "liver")),
    "few slices": Kind(few_slices, ("coverage",)),
    "20 mm voxels": Kind(few_voxels, ("resolution", "coverage")),
    "20 mm header": Kind(_spaced(lambda mm: np.full(3, 20.0)), ("resolution", "spacing")),
    "identity header": Kind(_spaced(lambda mm: np.ones(3), 0.0), ("spacing",)),
    "1 mm header": Kind(_spaced(lambda mm: np.ones(3)), ("spacing", "coverage")),
    "in-plane header × 2": Kind(_spaced(lambda mm: mm * [2, 2, 1]), ("spacing",)),
    "in-plane header ÷ 2": Kind(_spaced(lambda mm: mm / [2, 2, 1]), ("spacing", "coverage")),
    "slice distance × 2": Kind(_spaced(lambda mm: mm * [1, 1, 2]), ("spacing", "resolution")),
    "slice distance ÷ 2": Kind(_spaced(lambda mm: mm / [1, 1, 2]), ("spacing",)),
    "mirrored left–right": Kind(_turned(0), ("orientation",)),
    "upside down": Kind(_turned(2), ("orientation",)),
    "front and back exchanged": Kind(_turned(1), ("orientation",)),
    "half a turn": Kind(_turned(0, 1), ("orientation",)),
    "feet first": Kind(_turned(0, 2), ("orientation",)),
    "axes y and z swapped": Kind(swapped(0, 2, 1), ("axes", "liver", "orientation")),
    "axes x and y swapped": Kind(swapped(1, 0, 2), ("axes", "liver", "orientation")),
    "slices shuffled": Kind(shuffled_slices, ("liver", "noise", "slices")),
}
