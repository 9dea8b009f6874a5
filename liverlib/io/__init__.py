"""Files and the volumes in them: NIfTI and DICOM to and from a `Volume` on its `Grid`."""

__all__ = ["dicom", "dicom_seg", "dicom_slices", "nifti", "nifti_bytes", "scan", "volume"]
