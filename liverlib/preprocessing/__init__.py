"""A scan to 128³ and back."""

__all__ = ["boxes", "cache", "cube", "resample", "stream"]
