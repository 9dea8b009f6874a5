"""The command ``liverlib``."""

__all__ = [
    "data",
    "evaluate",
    "export",
    "main",
    "options",
    "outputs",
    "segment",
    "telling",
    "train",
]
