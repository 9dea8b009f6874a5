"""Scan → mask with trained networks."""

__all__ = [
    "blending",
    "export",
    "postprocessing",
    "prediction",
    "quality",
    "segmenter",
    "stage_output",
]
