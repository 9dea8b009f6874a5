"""Synthetic CT: phantoms as a dataset, and scans synthesised from label maps during training."""

__all__ = [
    "appearance",
    "artefacts",
    "contrast",
    "deformation",
    "generator",
    "label_maps",
    "lesion_kinds",
    "lesions",
    "noise",
    "phantom",
]
