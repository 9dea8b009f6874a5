"""The parts of a self-contained page of HTML.

The page holds its pictures, needs neither network nor script, follows the reader's light or dark
theme, and prints. Text is escaped.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --warn: #d55e00; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
.warn { border-left: 4px solid var(--warn); padding: .3rem .8rem; background: var(--soft); }
.verdict { border-left: 8px solid; padding: .5rem .8rem; margin: 1rem 0; background: var(--soft); }
.verdict ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.expected { border-color: #009e73; }
.look { border-color: #e69f00; }
.unused { border-color: #d55e00; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; caption-side: bottom; font-size: .85rem; opacity: .8; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
figure { margin: 1rem 0; break-inside: avoid; }
img { max-width: 100%; height: auto; }
iframe { width: 100%; border: 0; }
.films { display: flex; flex-wrap: wrap; gap: 1rem; }
tr { break-inside: avoid; }
h2 { break-after: avoid; }
@media print { body { max-width: none; margin: 0; font-size: 11px; } .wide { overflow: visible; } }
"""


def page(title: str, body: str) -> str:
    """A whole page around a body of HTML; only the title is escaped."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: liverlib</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """HTML under its title, both put in unescaped; empty without content."""
    return f"<h2>{title}</h2>\n{content}" if content else ""


def html_table(head: Sequence[str], rows: Iterable[Sequence], caption: str = "") -> str:
    """A table, everything in it escaped; the first cell of each row is its heading."""
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "\n".join(
        f'<tr><th scope="row">{escape(str(first))}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    text = f"<caption>{escape(caption)}</caption>" if caption else ""
    inside = f"{text}<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def image(content: bytes, alt: str, caption: str = "", lazy: bool = False) -> str:
    """A PNG or GIF as part of the page; a lazy picture is decoded when it is scrolled to."""
    with Image.open(io.BytesIO(content)) as picture:  # reads the header only
        kind, (width, height) = str(picture.format).lower(), picture.size
    data = base64.b64encode(content).decode()
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img {"loading=lazy " if lazy else ""}width="{width}" height="{height}" '
        f'alt="{escape(alt)}" src="data:image/{kind};base64,{data}">{text}</figure>'
    )
