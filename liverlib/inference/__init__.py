"""Scan → mask with trained networks."""

__all__ = [
    "blending",
    "contrasts",
    "export",
    "fine",
    "postprocessing",
    "prediction",
    "quality",
    "segmenter",
    "stage_output",
]
