"""What the slice browser's page holds: voxels in 8 bits, classes, and what is to be known of them.

Large volumes are averaged down or cropped here; the page says which, and knows its way back to the
voxels and millimetres of the scan.
"""

import gzip
from dataclasses import dataclass

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_table import Lesion, find_lesions
from liverlib.io.volume import Volume

from ..slices import COLOURS, HU_LEVELS, WINDOWS, largest_slice, png, render_slice, to_levels

Box = list[tuple[int, int]]  # start and stop on each axis, RAS order
MARGIN_MM = 10.0  # kept around a liver
MOST_LESIONS = 200  # rows of the list; a noisy mask may have thousands


@dataclass(frozen=True, eq=False)
class BrowserData:
    """Arrays in RAS order, as the page shows them: `levels` of `HU_LEVELS`, and classes."""

    levels: np.ndarray
    label: np.ndarray | None
    mask: np.ndarray | None
    facts: dict  # JSON-able: geometry, where to start, lesions, colours, windows

    def packed(self) -> bytes:
        """gzip of the levels and then of `label + 4 * mask`, x fastest. Equal data, equal bytes.

        The levels are stored as differences from voxel to voxel, which compress better.
        """
        levels = self.levels.ravel(order="F")
        content = np.diff(levels, prepend=np.uint8(0)).tobytes()
        if self.label is not None or self.mask is not None:
            empty = np.zeros((), np.uint8)
            truth, found = (empty if a is None else a for a in (self.label, self.mask))
            content += (truth + 4 * found).tobytes(order="F")
        return gzip.compress(content, 4, mtime=0)

    def best_slice(self, show: str, window: tuple[float, float], opacity: float) -> bytes:
        """The axial slice where the page starts, as PNG."""
        one = np.s_[:, :, self.facts["start"][2], None]
        label, mask = (None if a is None else a[one] for a in (self.label, self.mask))
        paint = {"label": label, "mask": mask, "show": show, "window": window, "opacity": opacity}
        picture = render_slice(HU_LEVELS[self.levels[one]], "axial", 0, **paint)
        across, up, _ = self.facts["spacing"]
        return png(picture, up / across, 320)


def browser_data(
    scan: Volume, label: Volume | None, mask: Volume | None, size: int, around: str | None
) -> BrowserData:
    """A scan and its classes with axes of at most `size` voxels, or cropped `around` the liver."""
    classes = [None if v is None else v.voxels for v in (label, mask)]
    box = _liver_box(scan, classes, around) if around else [(0, n) for n in scan.voxels.shape]
    factor = [1 if around else -(-n // max(size, 1)) for n in scan.voxels.shape]
    part = tuple(slice(*ends) for ends in box)
    levels = to_levels(_averaged(scan.voxels[part], factor))
    truth, found = (None if a is None else _classes(a[part], factor) for a in classes)
    facts = {
        "note": _note(scan, box, factor),
        "shape": levels.shape,
        **_geometry(scan, box, factor),
        "start": _start(levels.shape, truth if truth is not None else found),
        "has": {"label": label is not None, "mask": mask is not None},
        **_lesion_list(scan, classes, box, factor),
        "levels": HU_LEVELS.tolist(),
        "windows": WINDOWS,
        "colours": COLOURS,
    }
    return BrowserData(levels, truth, found, facts)


def _liver_box(scan: Volume, classes: list, around: str) -> Box:
    """What any label or mask calls liver, and a margin around it."""
    if around != "liver":
        raise LiverlibError(f"around={around!r} is not known; give 'liver' or None.")
    livers = [a > 0 for a in classes if a is not None and a.any()]
    if not livers:
        raise LiverlibError(f"{scan.name}: around='liver' needs a label or mask with a liver.")
    box = []
    for axis, (n, spacing) in enumerate(zip(scan.voxels.shape, scan.grid.spacing, strict=True)):
        others = tuple(a for a in range(3) if a != axis)
        held = np.flatnonzero(np.logical_or.reduce([a.any(others) for a in livers]))
        margin = int(np.ceil(MARGIN_MM / spacing))
        box.append((max(0, int(held[0]) - margin), min(n, int(held[-1]) + margin + 1)))
    return box


def _averaged(array: np.ndarray, factor: list[int]) -> np.ndarray:
    """Means of whole blocks of voxels; what is left over at the high ends is not kept."""
    if factor == [1, 1, 1]:
        return array
    kept = [n - n % f for n, f in zip(array.shape, factor, strict=True)]
    shape = [m for n, f in zip(kept, factor, strict=True) for m in (n // f, f)]
    blocks = array[tuple(slice(n) for n in kept)].reshape(shape)  # (x, fx, y, fy, z, fz)
    return blocks.mean((1, 3, 5), dtype=np.float32)


def _classes(array: np.ndarray, factor: list[int]) -> np.ndarray:
    """Classes of the blocks: liver and tumour where they fill half of it or more."""
    if factor == [1, 1, 1]:
        return array.astype(np.uint8, copy=False)
    liver, tumour = (_averaged(array >= c, factor) >= 0.5 for c in (1, 2))
    return liver.astype(np.uint8) + tumour


def _geometry(scan: Volume, box: Box, factor: list[int]) -> dict:
    """The page's spacing and affine: its voxel (i, j, k) is centred on a block of the scan's."""
    origin = [start for start, _ in box]
    to_scan = np.diag([*factor, 1.0])
    to_scan[:3, 3] = np.array(origin) + (np.array(factor) - 1) / 2
    return {
        "origin": origin,
        "factor": factor,
        "spacing": (scan.grid.spacing * factor).tolist(),
        "spacing_known": bool(scan.grid.spacing_known),
        "affine": (scan.grid.affine @ to_scan)[:3].tolist(),
    }


def _note(scan: Volume, box: Box, factor: list[int]) -> str:
    times = " × ".join
    note = f"{times(str(n) for n in scan.voxels.shape)} voxels"
    if factor != [1, 1, 1]:
        note += f", shown averaged over {times(str(f) for f in factor)}"
    if any(stop - start < n for (start, stop), n in zip(box, scan.voxels.shape, strict=True)):
        note += f", cropped to {times(str(stop - start) for start, stop in box)} around the liver"
    return note if scan.grid.spacing_known else f"{note}; spacing unknown, proportions may be wrong"


def _start(shape: tuple[int, ...], classes: np.ndarray | None) -> list[int]:
    """Where the crosshair starts: in the middle of the largest tumour or liver of any slice."""
    if classes is None or not classes.any():
        return [n // 2 for n in shape]
    index = largest_slice(classes, "axial")
    flat = classes[:, :, index]
    inside = np.argwhere(flat == flat.max())
    nearest = ((inside - inside.mean(0)) ** 2).sum(1).argmin()
    return [*(int(i) for i in inside[nearest]), index]


def _lesion_list(scan: Volume, classes: list, box: Box, factor: list[int]) -> dict:
    """The rows of the page's list: the truth's lesions, then those that only the mask has."""
    label, mask = classes
    first, other = (mask, None) if label is None else (label, mask)
    found = [] if first is None else find_lesions(first, scan.grid, other, MOST_LESIONS)
    rows = [_row(str(n), lesion, box, factor) for n, lesion in enumerate(found, 1)]
    note = f"{len(found)} in the {'prediction' if label is None else 'truth'}"
    if other is not None:
        extra = find_lesions(mask, scan.grid, label, MOST_LESIONS)
        extra = [lesion for lesion in extra if lesion.covered == 0]
        rows += [_row(f"extra {n}", lesion, box, factor) for n, lesion in enumerate(extra, 1)]
        note += f", {len(extra)} only predicted"
    if max(len(found), len(rows) - len(found)) >= MOST_LESIONS:
        note += f" (the {MOST_LESIONS} largest)"
    return {"lesions": rows, "lesions_note": note}


def _row(name: str, lesion: Lesion, box: Box, factor: list[int]) -> dict:
    at = [(i - start) // f for i, (start, _), f in zip(lesion.at, box, factor, strict=True)]
    cells = ["unknown", "unknown"]
    if lesion.ml == lesion.ml:
        ml = f"{lesion.ml:.1f}" if lesion.ml >= 0.05 else "< 0.1"
        cells = [ml, f"{lesion.longest_mm:.0f}"]
    if lesion.covered == lesion.covered:
        cells.append("–" if name.startswith("extra") else f"{lesion.covered:.0%}")
    return {"name": name, "at": at, "cells": cells}
