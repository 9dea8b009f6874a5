"""Scan → mask with trained networks."""

__all__ = ["blending", "postprocessing", "prediction", "segmenter"]
