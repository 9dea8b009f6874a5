"""Masks as other programs read them, with names and colours."""

__all__ = ["dicom_seg", "label_tables", "masks", "seg_nrrd", "surfaces"]
