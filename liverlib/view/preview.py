"""A mask in one picture, for mails and for lists of many scans; and a contact sheet of these."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from liverlib import __version__
from liverlib.core.arrays import count_classes, find_pieces
from liverlib.core.files import atomic
from liverlib.core.text import NOT_MEDICAL, plain
from liverlib.evaluation.lesion_table import TUMOUR, find_lesions
from liverlib.io.volume import Volume

from . import figures

_SOFTWARE = f"liverlib {__version__}; {NOT_MEDICAL}"  # in the PNG's own field
_THUMBNAIL = 560  # pixels across, on a contact sheet


def preview(scan: Volume, mask: Volume) -> Figure:
    """Three planes with the mask's contours, and its volumes in words."""
    figure = figures.three_planes(scan, mask=mask, contour=True)
    figure.suptitle(f"{plain(scan.name)}: {volumes_in_words(mask)}\n{NOT_MEDICAL}", fontsize=11)
    return figure


def volumes_in_words(mask: Volume) -> str:
    """What a mask holds, in a sentence or two.

    >>> volumes_in_words(mask)
    'Liver 155 ml. 1 lesion, 7.4 ml; 24 mm across.'
    """
    _, healthy, tumour = count_classes(mask.voxels)
    if not healthy + tumour:
        return "No liver."
    liver = f"Liver {_amount(mask, healthy + tumour, 0)}."
    if not tumour:
        return f"{liver} No lesion."
    count = len(find_pieces(mask.voxels, TUMOUR).sizes)
    (largest,) = find_lesions(mask.voxels, mask.grid, most=1)
    lesions = f"{count:,} lesion{'s' if count > 1 else ''}, {_amount(mask, tumour, 1)}"
    if not mask.grid.spacing_known:
        return f"{liver} {lesions}."
    who = "the largest " if count > 1 else ""
    return f"{liver} {lesions}; {who}{largest.longest_mm:.0f} mm across."


def write_preview(path: str | Path, scan: Volume, mask: Volume) -> None:
    """Writes `preview` as PNG; raises `LiverlibError` where the folder cannot be written."""
    figure = preview(scan, mask)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": _SOFTWARE})
    plt.close(figure)


def write_contact_sheet(path: str | Path, previews: Sequence[Path]) -> None:
    """Writes one PNG of many previews, in rows, in their order; about as wide as high."""
    from PIL import Image, PngImagePlugin  # comes with matplotlib

    thumbnails = []
    for preview_path in previews:
        with Image.open(preview_path) as opened:
            size = _THUMBNAIL, max(1, round(_THUMBNAIL * opened.height / opened.width))
            thumbnails.append(opened.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    height = max(picture.height for picture in thumbnails)
    across = max(1, round(math.sqrt(len(thumbnails) * height / _THUMBNAIL)))
    rows = -(-len(thumbnails) // across)
    sheet = Image.new("RGB", (across * _THUMBNAIL, rows * height), "white")
    for n, picture in enumerate(thumbnails):
        sheet.paste(picture, (n % across * _THUMBNAIL, n // across * height))
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", _SOFTWARE)
    with atomic(path) as temporary:
        sheet.save(temporary, "PNG", pnginfo=note)


def is_preview(path: Path) -> bool:
    """Whether `write_preview` or `write_contact_sheet` of any version wrote this picture."""
    from PIL import Image

    with Image.open(path) as opened:
        software = str(opened.info.get("Software", ""))
    return software.startswith("liverlib ") and software.endswith(NOT_MEDICAL)


def _amount(mask: Volume, voxels: int, digits: int) -> str:
    if not mask.grid.spacing_known:
        return f"{voxels:,} voxels"
    return f"{voxels * mask.grid.voxel_ml:,.{digits}f} ml"
