"""The report of one scan's mask: a page of HTML for people, CSV and JSON for programs.

The page holds the slice browser, in which a reader can check every number.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL, number
from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Quality
from liverlib.evaluation.lesion_table import LesionTable
from liverlib.io.provenance import Provenance
from liverlib.io.volume import Volume

from ..viewer.page import show
from .html import html_table, page, section

COLUMNS = {  # of a lesion: heading, digits after the point
    "number": ("lesion", 0),
    "ml": ("ml", 2),
    "longest_axial_mm": ("longest axial, mm", 1),
    "longest_mm": ("longest in 3D, mm", 1),
    "mean_hu": ("mean HU", 0),
    "centroid": ("centroid: right, front, head, mm", 1),
    "to_surface_mm": ("to the liver's surface, mm", 1),
    "probability": ("network's mean probability", 2),
    "chance": ("chance that it is a tumour", 2),
}
CAPTION = (
    "Lesions are connected by faces, the largest first. Diameters go from voxel centre to voxel "
    "centre, the axial one within one slice. Centroids are in the scan's world coordinates (NIfTI: "
    "right, front and head are positive). Where the scan cuts the liver there is no surface."
)


def write_scan_report(
    folder: str | Path,
    scan: Volume,
    mask: Volume,
    table: LesionTable,
    quality: Quality | None = None,
    origin: Provenance | None = None,
) -> tuple[Path, Path, Path]:
    """Writes ``<scan>.html``, ``<scan>.csv`` (a row a lesion) and ``<scan>.json``; their paths.

    Each begins with `NOT_MEDICAL`. In CSV this line and the next start with #: those of the totals,
    of the quality and of the origin, where they are given. Raises `LiverlibError` where the folder
    cannot be written.

    Args:
        folder: it is made where it is missing.
        scan: in Hounsfield units; the files are named after it.
        mask: its classes.
        table: of `measure_lesions`.
        quality: of the prediction.
        origin: of the mask.

    >>> write_scan_report("report", scan, mask, measure_lesions(scan, mask))[0].name
    'case.html'
    """
    stem = Path(folder) / (table.name or "scan")
    html, rows, values = (stem.with_name(f"{stem.name}.{kind}") for kind in ("html", "csv", "json"))
    content = scan_page(scan, mask, table, quality, origin)
    with atomic(html) as temporary:
        temporary.write_text(content, encoding="utf-8")
    with atomic(rows) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        totals = "; ".join(" ".join(row).strip() for row in _totals(table))
        file.write(f"# {NOT_MEDICAL}\n# {totals}\n")
        if quality:
            file.write("".join(f"# {text}\n" for text in (quality.headline, *quality.details)))
        if origin:
            file.write(f"# {origin.line()}\n")
        csv.writer(file).writerows(_csv_rows(table))
    more = {"quality": quality.to_dict()} if quality else {}
    more |= {"origin": asdict(origin)} if origin else {}
    write_json(values, {"note": NOT_MEDICAL} | more | asdict(table))
    return html, rows, values


def scan_page(
    scan: Volume,
    mask: Volume,
    table: LesionTable,
    quality: Quality | None = None,
    origin: Provenance | None = None,
) -> str:
    """The page as HTML: quality, volumes, the slice browser, the table of lesions, the origin."""
    may_lack = ("probability", "chance")
    shown = [key for key in COLUMNS if key not in may_lack or _any_known(table, key)]
    head = [COLUMNS[key][0] for key in shown]
    rows = [
        [_text(getattr(lesion, key), COLUMNS[key][1]) for key in shown] for lesion in table.lesions
    ]
    lesions = html_table(head, rows, CAPTION) if rows else "<p>The mask holds no tumour.</p>"
    title = f"{table.name}: {quality.verdict}" if quality else table.name
    browser = show(scan, mask=mask, title=title)._repr_html_()
    body = (
        f'<p class="warn">{NOT_MEDICAL}</p>\n<h1>{escape(table.name)}</h1>\n',
        _verdict(quality) if quality else "",
        html_table(["", "", ""], _totals(table)),
        "" if table.spacing_known else "<p>The spacing is unknown, and so are ml and mm.</p>",
        section("Slices", f'<div class="wide">{browser}</div>'),
        section("Lesions", lesions),
        section("Origin", f"<p>{escape(origin.line())}</p>") if origin else "",
    )
    return page(table.name, "\n".join(part for part in body if part))


def _verdict(quality: Quality) -> str:
    """The verdict in a box of its colour, and its reasons."""
    kind = {LOOK_CLOSELY: "look", NOT_TO_BE_USED: "unused"}.get(quality.verdict, "expected")
    reasons = "".join(f"<li>{escape(text)}</li>" for text in quality.details)
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return f'<div class="verdict {kind}"><b>{escape(quality.headline)}</b>{listed}</div>'


def _totals(table: LesionTable) -> list[Sequence[str]]:
    volumes, spread = table.tumour_ml_each, ""
    if volumes:
        low, high = _text(min(volumes), 1), _text(max(volumes), 1)
        spread = f"{low} to {high} in {len(volumes)} predictions"
    return [
        ("liver, tumours included", f"{_text(table.liver_ml, 0)} ml", ""),
        ("tumour", f"{_text(table.tumour_ml, 1)} ml", spread),
        ("tumour / liver", f"{_text(100 * table.burden, 1)} %", ""),
        ("lesions", str(len(table.lesions)), ""),
    ]


def _csv_rows(table: LesionTable) -> list[list]:
    """The numbers unrounded, and nothing where they are unknown; a centroid in three columns."""
    names = {"centroid": ["right_mm", "front_mm", "head_mm"]}
    rows = [[name for key in COLUMNS for name in names.get(key, [key])]]
    for lesion in table.lesions:
        values = [getattr(lesion, key) for key in COLUMNS]
        flat = [v for value in values for v in (value if isinstance(value, tuple) else [value])]
        rows.append(["" if v != v else v for v in flat])
    return rows


def _any_known(table: LesionTable, key: str) -> bool:
    return any(getattr(lesion, key) == getattr(lesion, key) for lesion in table.lesions)


def _text(value: float | tuple[float, ...], digits: int) -> str:
    """A number, or the three of a centroid, which are known or unknown together."""
    if not isinstance(value, tuple):
        return number(value, digits, "unknown")
    known = value[0] == value[0]
    return ", ".join(number(mm, digits) for mm in value) if known else "unknown"
