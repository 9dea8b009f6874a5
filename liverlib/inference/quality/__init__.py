"""How far a prediction may be believed: its scan and its stages."""

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
