"""Phantoms: analytic bodies painted on a canvas, and written as a dataset."""

__all__ = [
    "body",
    "canvas",
    "dataset",
    "liver",
    "organs",
    "phantom",
    "sdf",
    "skeleton",
    "tumours",
]
