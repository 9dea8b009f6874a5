"""Files and the volumes in them: NIfTI and DICOM to and from a `Volume` on its `Grid`."""

__all__ = [
    "dicom",
    "dicom_slices",
    "formats",
    "nifti",
    "nifti_bytes",
    "provenance",
    "scan",
    "segments",
    "volume",
]
