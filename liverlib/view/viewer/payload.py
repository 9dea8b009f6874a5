"""The content of the slice browser's page: voxels in 8 bits, classes, and facts about them.

Large volumes are averaged down or cropped here. The page says so, and knows the way back to the
voxels and millimetres of the scan.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liverlib.core.arrays import Box, to_box
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_table import Lesion, find_lesions
from liverlib.io.volume import Volume
from liverlib.preprocessing.boxes import liver_box, whole_box

from ..slices import COLOURS, HU_LEVELS, WINDOWS, largest_slice, png, render_slice, to_levels

MOST_LESIONS = 200  # rows of the list; a noisy mask may have thousands
CLASS_SLAB = 16  # slices of the page whose classes are averaged at once


@dataclass(frozen=True, eq=False)
class Payload:
    """Arrays (X, Y, Z) in RAS order, as the page shows them: `levels` of `HU_LEVELS`, classes."""

    levels: np.ndarray
    label: np.ndarray | None
    mask: np.ndarray | None
    facts: dict  # JSON-able: geometry, where to start, lesions, colours, HU windows
    second: np.ndarray | None = None  # levels of another scan on the same grid

    def packed(self) -> bytes:
        """gzip of the levels, then of `label + 4 * mask`, then of the second scan's levels.

        x fastest. Equal data, equal bytes. The levels are stored as differences from voxel to
        voxel, which compress better.
        """
        content = _differences(self.levels)
        if self.label is not None or self.mask is not None:
            empty = np.zeros((), np.uint8)
            label, mask = (empty if array is None else array for array in (self.label, self.mask))
            content += (label + 4 * mask).tobytes(order="F")
        if self.second is not None:
            content += _differences(self.second)
        return gzip.compress(content, 4, mtime=0)

    def best_slice(self, show: str, window: tuple[float, float], opacity: float) -> bytes:
        """The axial slice where the page starts, as PNG."""
        axial = np.s_[:, :, self.facts["start"][2], None]
        label, mask = (None if array is None else array[axial] for array in (self.label, self.mask))
        hu = HU_LEVELS[self.levels[axial]]
        picture = render_slice(
            hu, "axial", 0, label=label, mask=mask, show=show, window=window, opacity=opacity
        )
        across, up, _ = self.facts["spacing"]
        return png(picture, up / across, 320)


def make_payload(
    scan: Volume,
    label: Volume | None,
    mask: Volume | None,
    size: int,
    around: str | None,
    second: Volume | None = None,
) -> Payload:
    """A scan and its classes with axes of at most `size` voxels, or cropped `around` the liver.

    Raises `LiverlibError` for another `around` than "liver" or None, and where there is no liver.
    """
    classes = [None if volume is None else volume.voxels for volume in (label, mask)]
    box = _box_around(scan, classes, around) if around else whole_box(scan.voxels.shape)
    factor = [1 if around else -(-n // max(size, 1)) for n in scan.voxels.shape]
    levels = to_levels(_averaged(scan.voxels[box], factor))
    shown_label, shown_mask = (
        None if array is None else _averaged_classes(array[box], factor) for array in classes
    )
    facts = {
        "note": _note(scan, box, factor),
        "shape": levels.shape,
        **_geometry(scan, box, factor),
        "start": _start(levels.shape, shown_mask if label is None else shown_label),
        "has": {"label": label is not None, "mask": mask is not None},
        "second": second.name if second else None,
        **_lesion_list(scan, classes, box, factor),
        "levels": HU_LEVELS.tolist(),
        "windows": WINDOWS,
        "colours": COLOURS,
    }
    other = to_levels(_averaged(second.voxels[box], factor)) if second else None
    return Payload(levels, shown_label, shown_mask, facts, other)


def _differences(levels: np.ndarray) -> bytes:
    return np.diff(levels.ravel(order="F"), prepend=np.uint8(0)).tobytes()


def _box_around(scan: Volume, classes: Sequence[np.ndarray | None], around: str) -> Box:
    """The box around what any label or mask calls liver, with a margin."""
    if around != "liver":
        raise LiverlibError(f"around={around!r} is not known; give 'liver' or None.")
    given = [array.astype(np.uint8, copy=False) for array in classes if array is not None]
    boxes = [box for array in given if (box := liver_box(array, scan.grid.spacing))]
    if not boxes:
        raise LiverlibError(f"{scan.name}: around='liver' needs a label or mask with a liver.")
    sides = zip(*boxes, strict=True)
    return to_box(slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)


def _averaged(array: np.ndarray, factor: Sequence[int]) -> np.ndarray:
    """Means of blocks of voxels; those at the high ends are filled up with the last voxels."""
    if all(f == 1 for f in factor):
        return array
    lacking = [-n % f for n, f in zip(array.shape, factor, strict=True)]
    if any(lacking):
        array = np.pad(array, [(0, n) for n in lacking], mode="edge")
    shape = [m for n, f in zip(array.shape, factor, strict=True) for m in (n // f, f)]
    return array.reshape(shape).mean((1, 3, 5), dtype=np.float32)  # (x, fx, y, fy, z, fz)


def _averaged_classes(array: np.ndarray, factor: Sequence[int]) -> np.ndarray:
    """Classes of the blocks: liver and tumour where they fill half of it or more, uint8."""
    if all(f == 1 for f in factor):
        return array.astype(np.uint8, copy=False)
    step, slabs = CLASS_SLAB * factor[2], []
    for start in range(0, array.shape[2], step):
        slab = array[:, :, start : start + step]
        liver, tumour = (_averaged(slab >= value, factor) >= 0.5 for value in (1, 2))
        slabs.append(liver.astype(np.uint8) + tumour)
    return np.concatenate(slabs, axis=2)


def _geometry(scan: Volume, box: Box, factor: Sequence[int]) -> dict:
    """The page's spacing and affine: its voxel (i, j, k) is centred on a block of the scan's."""
    origin = [side.start for side in box]
    to_scan = np.diag([*factor, 1.0])
    to_scan[:3, 3] = np.array(origin) + (np.array(factor) - 1) / 2
    return {
        "origin": origin,
        "factor": factor,
        "spacing": (scan.grid.spacing * factor).tolist(),
        "spacing_known": bool(scan.grid.spacing_known),
        "affine": (scan.grid.affine @ to_scan)[:3].tolist(),
    }


def _note(scan: Volume, box: Box, factor: Sequence[int]) -> str:
    """The scan's size and what became of it, in words."""
    cropped = [side.stop - side.start for side in box]
    note = f"{_by(scan.voxels.shape)} voxels"
    if any(f > 1 for f in factor):
        note += f", shown averaged over {_by(factor)}"
    if tuple(cropped) != scan.voxels.shape:
        note += f", cropped to {_by(cropped)} around the liver"
    return note if scan.grid.spacing_known else f"{note}; spacing unknown, proportions may be wrong"


def _by(numbers: Sequence[int]) -> str:
    return " × ".join(map(str, numbers))


def _start(shape: Sequence[int], classes: np.ndarray | None) -> list[int]:
    """Where the crosshair starts: in the middle of the largest tumour or liver of any slice."""
    if classes is None or not classes.any():
        return [n // 2 for n in shape]
    index = largest_slice(classes, "axial")
    flat = classes[:, :, index]
    inside = np.argwhere(flat == flat.max())
    nearest = ((inside - inside.mean(0)) ** 2).sum(1).argmin()
    return [*(int(i) for i in inside[nearest]), index]


def _lesion_list(
    scan: Volume, classes: Sequence[np.ndarray | None], box: Box, factor: Sequence[int]
) -> dict:
    """The rows of the page's list: the label's lesions, then those that only the mask has."""
    label, mask = classes
    first, second = (mask, None) if label is None else (label, mask)
    lesions = [] if first is None else find_lesions(first, scan.grid, second, MOST_LESIONS)
    rows = [_row(str(n), lesion, box, factor) for n, lesion in enumerate(lesions, 1)]
    note = f"{len(lesions)} in the {'prediction' if label is None else 'reference'}"
    if label is not None and mask is not None:
        extra = find_lesions(mask, scan.grid, label, MOST_LESIONS)
        extra = [lesion for lesion in extra if lesion.covered == 0]
        rows += [_row(f"extra {n}", lesion, box, factor) for n, lesion in enumerate(extra, 1)]
        note += f", {len(extra)} only predicted"
    if max(len(lesions), len(rows) - len(lesions)) >= MOST_LESIONS:
        note += f" (the {MOST_LESIONS} largest)"
    return {"lesions": rows, "lesions_note": note}


def _row(name: str, lesion: Lesion, box: Box, factor: Sequence[int]) -> dict:
    """A row: its name, its voxel of the page, its cells as text (ml, mm, share covered)."""
    at = [(i - side.start) // f for i, side, f in zip(lesion.at, box, factor, strict=True)]
    cells = ["unknown", "unknown"]
    if not np.isnan(lesion.ml):
        ml = f"{lesion.ml:.1f}" if lesion.ml >= 0.05 else "< 0.1"
        cells = [ml, f"{lesion.longest_mm:.0f}"]
    if not np.isnan(lesion.covered):
        cells.append("–" if name.startswith("extra") else f"{lesion.covered:.0%}")
    return {"name": name, "at": at, "cells": cells}
