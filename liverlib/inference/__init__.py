"""Scan → mask with trained networks."""

__all__ = [
    "blending",
    "export",
    "fine",
    "postprocessing",
    "prediction",
    "quality",
    "segmenter",
    "stage_output",
]
