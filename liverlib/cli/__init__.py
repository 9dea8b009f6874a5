"""The command ``liverlib``."""

__all__ = ["data", "evaluate", "main", "options", "outputs", "segment", "train"]
