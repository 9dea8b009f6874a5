"""Writes a mask as a DICOM Segmentation of the CT slices that were segmented, for PACS and viewers.

Needs highdicom (the extra "dicom").
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.core.text import NOT_MEDICAL

from ..dicom import series_files
from ..segments import SEGMENTS, Code, Segment
from ..volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset


def write_seg(
    path: str | Path,
    mask: Volume,
    folder: str | Path,
    series: str | None = None,
    note: Callable[["Dataset"], str] = lambda dataset: "",
    verdict: str = "",
) -> None:
    """Writes a mask of classes as two binary segments, Liver (tumours included) and Tumour.

    `folder` and `series` name the segmented slices, as for `read_dicom`. The segmentation takes
    their patient, study and frame of reference, and each of its frames refers to its slice. An
    empty UID of the study or the series, as anonymising leaves it, is replaced by a new one.
    `note` makes the image comments from the segmentation.
    `verdict` on the mask ends the description of its content.
    Raises `LiverlibError` without highdicom, and for a mask that is not on the slices' grid.
    """
    hd, dcmread, codes = highdicom()
    sources = [dcmread(file, stop_before_pixels=True) for file in series_files(folder, series)]
    across, down, step = (float(mm) for mm in mask.grid.header.get_zooms()[:3])
    _fill(sources, hd.UID(), hd.UID(), step)
    stored = mask.grid.to_stored(mask.voxels)[:, ::-1].T  # undoes the turns of `read_dicom`
    if stored.shape != (expected := (len(sources), sources[0].Rows, sources[0].Columns)):
        raise LiverlibError(
            f"{path}: a mask of {stored.shape} slices, rows and columns for a series of "
            f"{expected} in {folder}. Name the series that was segmented."
        )
    try:
        segmentation = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=np.stack([stored >= 1, stored == 2], axis=-1),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_description(hd, codes, segment) for segment in SEGMENTS],
            pixel_measures=hd.PixelMeasuresSequence((down, across), step, step),
            series_instance_uid=hd.UID(),
            series_number=1000,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="liverlib",
            manufacturer_model_name="liverlib",
            software_versions=__version__,
            device_serial_number="none",
            content_description=f"Liver and tumour, by a network{verdict and ': '}{verdict}",
            series_description=f"liverlib: {NOT_MEDICAL}"[:64],
        )
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise LiverlibError(
            f"{folder}: its headers do not make a DICOM segmentation ({error}). Write .nii.gz."
        ) from error
    segmentation.ImageComments = note(segmentation)
    with atomic(path) as temporary:
        segmentation.save_as(temporary)


def _fill(sources: Sequence["Dataset"], study: str, series: str, step: float) -> None:
    """Adds what highdicom reads to headers from which anonymising or a poor export removed it."""
    for header in sources:
        values = {
            "SOPClassUID": header.file_meta.get("MediaStorageSOPClassUID"),
            "SOPInstanceUID": header.file_meta.get("MediaStorageSOPInstanceUID"),
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "SliceThickness": step,
        }
        for name, value in values.items():
            if value and not header.get(name):
                setattr(header, name, value)


def _description(hd: ModuleType, codes: Any, segment: Segment) -> Any:
    """A segment with its name, colour and codes."""
    coded = {
        name: _coded(hd, code)
        for name, code in (("category", segment.category), ("kind", segment.kind))
    }
    return hd.seg.SegmentDescription(
        segment.value,
        segment.name,
        coded["category"],
        coded["kind"],
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            "liverlib", codes.DCM.ArtificialIntelligence, __version__
        ),
        anatomic_regions=[_coded(hd, segment.region)] if segment.region else None,
        display_color=hd.color.CIELabColor.from_rgb(*segment.colour),
    )


def _coded(hd: ModuleType, code: Code) -> Any:
    value, meaning = code
    return hd.sr.CodedConcept(value, "SCT", meaning)


def highdicom() -> tuple[ModuleType, Callable[..., "Dataset"], Any]:
    """highdicom, pydicom's reader and its dictionary of codes, imported when needed.

    Raises `LiverlibError` where they are missing.
    """
    try:
        import highdicom as library
        from pydicom import dcmread
        from pydicom.sr.codedict import codes
    except ImportError as error:
        raise LiverlibError(
            "writing DICOM needs highdicom: pip install highdicom pydicom, or write .nii.gz."
        ) from error
    return library, dcmread, codes
