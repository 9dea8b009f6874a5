"""Masks in, numbers out: one record a case, one summary."""

__all__ = [
    "bootstrap",
    "case",
    "folder",
    "lesion_matching",
    "lesion_table",
    "lits_script",
    "overlap",
    "summary",
    "surface_distance",
]
