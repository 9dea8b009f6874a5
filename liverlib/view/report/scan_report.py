"""What a mask says of one scan, for people and for programs: a page of HTML, CSV and JSON.

The page holds the slice browser, so that every figure can be looked up in the picture.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_table import LesionTable
from liverlib.io.volume import Volume

from ..viewer.page import show
from .html import page, section, table

COLUMNS = {  # of a lesion: heading, digits after the point
    "number": ("lesion", 0),
    "ml": ("ml", 2),
    "longest_axial_mm": ("longest axial, mm", 1),
    "longest_mm": ("longest in 3D, mm", 1),
    "mean_hu": ("mean HU", 0),
    "centroid": ("centroid: right, front, head, mm", 1),
    "to_surface_mm": ("to the liver's surface, mm", 1),
    "probability": ("mean probability", 2),
}
CAPTION = (
    "Connected by faces, largest first. Diameters from voxel centre to voxel centre, the axial one "
    "within one slice. Centroids in the scan's world coordinates (NIfTI: right, front and head are "
    "positive). Where the scan cuts the liver there is no surface."
)


def write_scan_report(
    folder: str | Path, scan: Volume, mask: Volume, found: LesionTable
) -> tuple[Path, Path, Path]:
    """Writes ``<scan>.html``, ``<scan>.csv`` (one row a lesion) and ``<scan>.json`` into a folder.

    Each begins by saying that it is not of a medical device; in CSV that line and the next, of the
    totals, start with #.
    Raises `LiverlibError` where the folder cannot be written.
    """
    stem = Path(folder) / (found.name or "scan")
    paths = tuple(stem.with_name(f"{stem.name}.{kind}") for kind in ("html", "csv", "json"))
    content = scan_page(scan, mask, found)
    with atomic(paths[0]) as temporary:
        temporary.write_text(content, encoding="utf-8")
    with atomic(paths[1]) as temporary, open(temporary, "w", newline="") as file:
        totals = "; ".join(" ".join(one).strip() for one in _totals(found))
        file.write(f"# {NOT_MEDICAL}\n# {totals}\n")
        writer = csv.writer(file)
        writer.writerows(_csv_rows(found))
    write_json(paths[2], {"note": NOT_MEDICAL} | asdict(found))
    return paths


def scan_page(scan: Volume, mask: Volume, found: LesionTable) -> str:
    """The page: volumes, the table of lesions, and the slices to scroll through."""
    kept = [key for key in COLUMNS if key != "probability" or _any_known(found, key)]
    head = [COLUMNS[key][0] for key in kept]
    rows = [[_said(getattr(one, key), COLUMNS[key][1]) for key in kept] for one in found.lesions]
    lesions = table(head, rows, CAPTION) if rows else "<p>No tumour was drawn.</p>"
    browser = show(scan, mask=mask, title=found.name)._repr_html_()
    body = (
        f'<p class="warn">{NOT_MEDICAL}</p>\n<h1>{escape(found.name)}</h1>\n',
        table(["", "", ""], _totals(found)),
        "" if found.spacing_known else "<p>The spacing is unknown, and so are ml and mm.</p>",
        section("Slices", f'<div class="wide">{browser}</div>'),
        section("Lesions", lesions),
    )
    return page(found.name, "\n".join(part for part in body if part))


def _totals(found: LesionTable) -> list[Sequence[str]]:
    others, spread = found.tumour_ml_others, ""
    if others:
        low, high = _said(min(others), 1), _said(max(others), 1)
        spread = f"{low} to {high} in {len(others)} predictions"
    return [
        ("liver, tumours included", f"{_said(found.liver_ml, 0)} ml", ""),
        ("tumour", f"{_said(found.tumour_ml, 1)} ml", spread),
        ("tumour / liver", f"{_said(100 * found.burden, 1)} %", ""),
        ("lesions", str(len(found.lesions)), ""),
    ]


def _csv_rows(found: LesionTable) -> list[list]:
    """Numbers as they are, nothing where unknown; a place in three columns."""
    names = {"centroid": ["right_mm", "front_mm", "head_mm"]}
    rows = [[name for key in COLUMNS for name in names.get(key, [key])]]
    for lesion in found.lesions:
        values = [getattr(lesion, key) for key in COLUMNS]
        flat = [one for value in values for one in (value if isinstance(value, tuple) else [value])]
        rows.append(["" if one != one else one for one in flat])
    return rows


def _any_known(found: LesionTable, key: str) -> bool:
    return any(getattr(lesion, key) == getattr(lesion, key) for lesion in found.lesions)


def _said(value: float | tuple, digits: int) -> str:
    if isinstance(value, tuple):
        known = value[0] == value[0]
        return ", ".join(_said(one, digits) for one in value) if known else "unknown"
    return "unknown" if value != value else f"{value:,.{digits}f}"
