"""Writes a mask in the format that its path's ending names, with the names and colours it can hold.

======================  =====================================================================
``.nii.gz``, ``.nii``   NIfTI, with a table of labels in its header
``.seg.nrrd``           segmentation of 3D Slicer
``.dcm``                DICOM Segmentation, of a scan in DICOM
``.stl``, ``.glb``      surfaces
======================  =====================================================================
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liverlib.core.errors import LiverlibError

from ..nifti import read_header, read_label, write_volume
from ..segments import SEGMENTS
from ..volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

Note = Callable[[Iterable[bytes]], str]
OWN_NAMES = [segment.name for segment in SEGMENTS]
FORMATS = ("nii.gz", "nii", "seg.nrrd", "dcm", "stl", "glb")  # endings, the first by default


def format_of(path: str | Path) -> str | None:
    """The format that a path's ending names, in letters of either case; None for any other."""
    name = Path(path).name.lower()
    return next((ending for ending in FORMATS if name.endswith(f".{ending}")), None)


def write_mask(
    path: str | Path,
    mask: Volume,
    note: Note = lambda content: "",
    slices: str | Path | None = None,
    series: str | None = None,
    verdict: str = "",
) -> None:
    """Writes a mask of classes in the format that the path's ending names.

    Raises `LiverlibError` for another ending, for a mask that the format cannot hold, where a
    library is missing, and where the folder cannot be written.

    Args:
        path: such as ``mask.nii.gz``, ``mask.seg.nrrd``, ``mask.dcm``, ``mask.stl``, ``mask.glb``.
        mask: 0 background, 1 liver, 2 tumour.
        note: makes what the header says, in at most 69 ASCII characters, from what the file holds.
        slices: the folder of the segmented DICOM slices, for DICOM.
        series: which of several in that folder.
        verdict: on the mask, in at most 16 ASCII characters, for NIfTI and DICOM.

    >>> write_mask("mask.nii.gz", prediction.mask)
    """
    kind = format_of(path)
    if kind in ("nii", "nii.gz"):
        from .label_tables import label_extension

        text, extensions = note(_content(mask.voxels, mask.grid.affine)), [label_extension()]
        write_volume(path, mask, note=text, extensions=extensions, intent=verdict)
    elif kind == "seg.nrrd":
        from .seg_nrrd import write_seg_nrrd

        content = _content(mask.voxels, mask.grid.stored_affine, OWN_NAMES)
        write_seg_nrrd(path, mask, note(content))
    elif kind == "dcm" and slices:
        from .dicom_seg import write_seg

        write_seg(path, mask, slices, series, lambda dataset: note(_segments(dataset)), verdict)
    elif kind in ("stl", "glb"):
        from . import surfaces

        text = note(_content(mask.voxels, mask.grid.affine))
        (surfaces.write_stl if kind == "stl" else surfaces.write_glb)(path, mask, text)
    elif kind == "dcm":
        raise LiverlibError(f"{path}: DICOM needs the folder of the scan's slices. Name it.")
    else:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise LiverlibError(f"{path}: a mask is written as one of {endings}. Name it so.")


def require_library(kind: str | None) -> None:
    """Raises `LiverlibError` where the library that writes a format is missing."""
    if kind == "seg.nrrd":
        from .seg_nrrd import pynrrd

        pynrrd()
    elif kind == "dcm":
        from .dicom_seg import highdicom

        highdicom()
    elif kind in ("stl", "glb"):
        from .surfaces import libraries

        libraries()


def companions(path: Path) -> list[Path]:
    """The files that are written beside a mask of this path."""
    from .surfaces import tumour_path

    return [tumour_path(path)] if format_of(path) == "stl" else []


def read_note(path: str | Path) -> str:
    """The note of `write_mask`; what it raises for any other file is not said."""
    kind = format_of(path)
    if kind in ("nii", "nii.gz"):
        return read_header(path).header["descrip"].item().decode("latin-1")
    if kind == "seg.nrrd":
        from .seg_nrrd import read_seg_nrrd

        return read_seg_nrrd(path).note
    if kind in ("stl", "glb"):
        from .surfaces import surface_note

        return surface_note(Path(path))
    return str(_dicom(path).get("ImageComments", "")) if kind == "dcm" else ""


def read_content(path: str | Path) -> Iterable[bytes] | None:
    """What `note` was given when `write_mask` wrote a file; None where only surfaces are.

    What it raises for any other file is not said.
    """
    kind = format_of(path)
    if kind == "seg.nrrd":
        from .seg_nrrd import read_seg_nrrd

        held = read_seg_nrrd(path)
        return _content(held.classes, held.stored_affine, held.names)
    if kind == "dcm":
        return _segments(_dicom(path))
    if kind in ("nii", "nii.gz"):
        mask = read_label(path)
        return _content(mask.voxels, mask.grid.affine)
    return None


def _content(voxels: np.ndarray, affine: np.ndarray, names: Iterable[str] = ()) -> Iterator[bytes]:
    """Where a mask lies, to 0.1 µm, the names of its segments, and its slices."""
    yield (np.round(affine, 4) + 0.0).tobytes()  # no -0.0
    yield from map(str.encode, names)
    yield from (voxels[:, :, index].tobytes() for index in range(voxels.shape[2]))


def _segments(dataset: "Dataset") -> list[bytes]:
    """The pixels of a DICOM segmentation, and the names of its segments."""
    names = [str(segment.SegmentLabel) for segment in dataset.SegmentSequence]
    return [dataset.PixelData, *map(str.encode, names)]


def _dicom(path: str | Path) -> "Dataset":
    from pydicom import dcmread  # it is there: the scan is DICOM

    return dcmread(path)
