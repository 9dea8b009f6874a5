"""How far a prediction may be believed: its scan, its stages, its mask."""

__all__ = [
    "calibration",
    "examination",
    "features",
    "geometry",
    "grey_values",
    "liver",
    "orientation",
    "spine",
]
