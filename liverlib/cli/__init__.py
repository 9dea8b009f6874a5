"""The command ``liverlib``."""

__all__ = ["data", "evaluate", "main", "options", "segment", "train"]
