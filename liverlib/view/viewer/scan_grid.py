"""The classes on the scan's own grid: into the page, which corrects them, and back from it.

The page's picture may be averaged down. What is corrected is this: every voxel of the scan, so
what nobody touches comes back equal to the bit.
"""

import base64
import binascii
import gzip
import io
import re
import zlib
from collections.abc import Sequence

import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from liverlib.core.arrays import Box, content_box, to_box
from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import file_header
from liverlib.io.volume import Grid, Volume

_SENT = re.compile(r"(\d+),(\d+),(\d+);(\d+),(\d+),(\d+);([A-Za-z0-9+/=]*)")


def scan_facts(scan: Volume, box: Box, edits: str) -> dict:
    """What the page must know to correct and to save: grid, header of a mask's file, box.

    `axes` says of each axis of the file which axis of RAS it is, and whether it runs against it.
    """
    grid, header = scan.grid, io.BytesIO()
    file_header(grid, np.dtype(np.uint8)).write_to(header)
    order = ornt_transform(axcodes2ornt("RAS"), io_orientation(grid.header.get_best_affine()))
    stored = {int(to): (axis, int(flip)) for axis, (to, flip) in enumerate(order)}
    return {
        "name": scan.name,
        "shape": [int(n) for n in scan.voxels.shape],
        "affine": grid.affine[:3].tolist(),
        "spacing": grid.spacing.tolist(),
        "header": base64.b64encode(header.getvalue()).decode(),
        "axes": [[stored[n][0], stored[n][1] < 0] for n in range(3)],
        "box": [[side.start, side.stop] for side in box],
        "edits": edits,
    }


def classes_box(label: Volume | None, mask: Volume | None) -> Box:
    """The box around all that is liver or tumour in either; an empty one where nothing is."""
    given = [volume.voxels for volume in (label, mask) if volume is not None]
    return to_box(content_box(*given)) if given else to_box([slice(0, 0)] * 3)


def packed_classes(label: Volume | None, mask: Volume | None, box: Box) -> bytes:
    """gzip of `label + 4 * mask` in a box of the scan, x fastest. Equal data, equal bytes."""
    empty = np.zeros((), np.uint8)
    held = [
        empty if volume is None else volume.voxels[box].astype(np.uint8, copy=False)
        for volume in (label, mask)
    ]
    pairs = held[0] + 4 * held[1]
    return gzip.compress(pairs.tobytes(order="F"), 4, mtime=0) if pairs.ndim else b""


def received_mask(text: str, grid: Grid, name: str) -> Volume:
    """The mask that a page has sent: ``x,y,z;nx,ny,nz;`` of a box, and the gzip of its classes.

    Raises `LiverlibError` for what is no such text, lies outside of the scan or holds other values
    than 0, 1, 2.
    """
    match = _SENT.fullmatch(text)
    if match is None:
        raise _damaged(name)
    first, size = [[int(n) for n in match.groups()[i : i + 3]] for i in (0, 3)]
    box = to_box(slice(a, a + n) for a, n in zip(first, size, strict=True))
    if any(side.stop > n for side, n in zip(box, grid.shape, strict=True)):
        raise _damaged(name)
    voxels = np.zeros(grid.shape, np.uint8, order="F")
    voxels[box] = _inflated(match[7], size, name)
    return Volume(voxels, grid, name)


def _inflated(text: str, size: Sequence[int], name: str) -> np.ndarray:
    """The classes of a box; no more bytes are inflated than it has voxels."""
    count = int(np.prod(size))
    try:
        inflater = zlib.decompressobj(wbits=31)
        content = inflater.decompress(base64.b64decode(text, validate=True), count + 1)
    except (binascii.Error, zlib.error) as error:
        raise _damaged(name) from error
    classes = np.frombuffer(content, np.uint8)
    if classes.size != count or classes.max(initial=0) > 2:
        raise _damaged(name)
    return classes.reshape(size, order="F")


def _damaged(name: str) -> LiverlibError:
    return LiverlibError(
        f"{name}: what the page sent is no mask of this scan. Run the editor's cell again, or save "
        "the mask from the page and read it with read_label."
    )
