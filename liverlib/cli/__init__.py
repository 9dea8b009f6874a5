"""The command ``liverlib``."""

__all__ = [
    "data",
    "evaluate",
    "export",
    "main",
    "options",
    "outputs",
    "segment",
    "start",
    "telling",
    "train",
]
