"""Scrolling through slices: `show`, one self-contained page, `edit`, and `browse` with ipywidgets.

The page (web/) holds the volume in 8 bits and paints it there: a key press needs no trip to Python.
It also holds the classes on the scan's own grid, to correct them. `browse` asks Python for every
picture.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.io.volume import Volume

from ..slices import SHOW, window_of
from .bundle import bundle_script
from .checks import check_second, check_volumes
from .payload import make_payload
from .scan_grid import classes_box, packed_classes, scan_facts

if TYPE_CHECKING:
    from .editor import Editor
    from .widgets import Browse

WEB = Path(__file__).with_name("web")
LAYOUTS = ("three", "axial", "coronal", "sagittal")


@dataclass(frozen=True)
class SliceBrowser:
    """The page that `show` returns: notebooks display it, `save` writes it, `html` is its text."""

    title: str
    facts: dict
    voxels: bytes  # gzip of levels, as differences, then of label + 4 * mask
    classes: bytes  # gzip of label + 4 * mask in the scan's own voxels, in a box
    picture: bytes  # PNG of the best slice, for where no script runs

    @cached_property
    def html(self) -> str:
        """The page as a document of its own, with the picture for where no script runs."""
        return self._page(f"<noscript>{self._image()}</noscript>")

    def save(self, path: str | Path) -> Path:
        """Writes the page, which needs neither Python nor a network any more."""
        with atomic(path) as temporary:
            temporary.write_text(self.html, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        # Where a host strips the iframe (an untrusted notebook), the picture in it stays.
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self._page())}" '
            'style="width: 100%; height: 560px; border: 0">'
            f"{self._image()}</iframe>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict:
        picture = base64.b64encode(self.picture).decode()
        text = f"<SliceBrowser {self.title!r}>"
        return {"text/html": self._repr_html_(), "image/png": picture, "text/plain": text}

    def _image(self) -> str:
        source = base64.b64encode(self.picture).decode()
        text = f"{self.title}: one axial slice, {self.facts['note']}"
        return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{source}">'

    def _page(self, fallback: str = "") -> str:
        script, digest = _script()
        facts = json.dumps(self.facts, default=float)  # numbers of numpy's, too
        page = Template((WEB / "page.html").read_text(encoding="utf-8"))
        return page.substitute(
            title=html.escape(self.title),
            style=(WEB / "style.css").read_text(encoding="utf-8"),
            facts=facts.replace("<", "\\u003c"),  # no name can end the script
            voxels=base64.b64encode(self.voxels).decode(),
            classes=base64.b64encode(self.classes).decode(),
            script=script,
            script_hash=digest,
            fallback=fallback,
        )


@cache
def _script() -> tuple[str, str]:
    """The page's one script and its hash, as a policy names it."""
    script = bundle_script(WEB / "main.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return script, f"sha256-{digest}"


def show(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    *,
    second: Volume | None = None,
    title: str = "",
    size: int = 256,
    around: str | None = None,
    show: str | None = None,
    window: str | tuple[float, float] = "soft tissue",
    opacity: float = 0.4,
    plane: str = "three",
) -> SliceBrowser:
    """The slices of a scan with its label (the reference) and a mask (the prediction), as a page.

    HU are exact to ±1 around the liver, to ±16 at worst; where axes are averaged, they are those of
    the averages. Raises `LiverlibError` for what cannot be shown.

    Args:
        scan, label, mask: volumes of one shape; label and mask may be left out.
        second: another scan on the same grid, such as another phase, shown below the first.
        title: shown at the top; the scan's name by default.
        size: axes of more voxels are averaged down by a whole number; the page says so.
        around: "liver" crops to the liver and a margin instead, at full resolution.
        show: "label", "mask", "both" or "difference"; by default all that is given.
        window: a name in `slices.WINDOWS`, or (width, level) in HU.
        opacity: of fills, from 0 to 1; lines are twice as opaque.
        plane: "three", "axial", "coronal" or "sagittal".

    >>> show(scan, label, mask, around="liver").save("scan.html")
    """
    check_volumes(scan, label, mask)
    _check_start(plane, opacity)
    if second is not None:
        check_second(scan, second)
    return _make_page(
        scan, label, mask, size, around, second,
        title=title or scan.name, layout=plane, show=_mode(show, label, mask),
        window=window_of(window), opacity=opacity,
    )  # fmt: skip


def edit(
    scan: Volume,
    mask: Volume | None = None,
    label: Volume | None = None,
    *,
    title: str = "",
    size: int = 256,
    around: str | None = None,
    window: str | tuple[float, float] = "soft tissue",
    opacity: float = 0.4,
    plane: str = "three",
) -> "Editor":
    """The same page with its tools open, as a widget: `editor.mask` is what was painted.

    Masks are corrected on the scan's own grid, whatever `size` the picture has. Raises
    `LiverlibError` for what cannot be shown.

    Args:
        scan: in HU.
        mask: what to correct; by default an empty mask.
        label: a reference to compare with; it is not changed.
        title, size, around, window, opacity, plane: as those of `show`.

    >>> editor = edit(scan, mask)
    >>> write_volume("corrected.nii.gz", editor.mask)
    """
    from .editor import Editor

    if mask is None:
        mask = Volume(np.zeros(scan.voxels.shape, np.uint8), scan.grid, scan.name)
    check_volumes(scan, label, mask)
    _check_start(plane, opacity)
    page = _make_page(
        scan, label, mask, size, around,
        title=title or scan.name, layout=plane, show=_mode(None, label, mask),
        window=window_of(window), opacity=opacity, editing=True,
    )  # fmt: skip
    return Editor(Volume(mask.voxels.astype(np.uint8, copy=False), scan.grid, mask.name), page)


def _make_page(
    scan: Volume,
    label: Volume | None,
    mask: Volume | None,
    size: int,
    around: str | None,
    second: Volume | None = None,
    **settings: object,
) -> SliceBrowser:
    """The page of volumes that were checked; `settings` are what it shows at first."""
    payload = make_payload(scan, label, mask, size, around, second)
    box = classes_box(label, mask)
    edits = "label" if mask is None and label is not None else "mask"
    facts = payload.facts | {"editing": False, "scan": scan_facts(scan, box, edits)} | settings
    picture = payload.best_slice(facts["show"], facts["window"], facts["opacity"])
    classes = packed_classes(label, mask, box)
    return SliceBrowser(facts["title"], facts, payload.packed(), classes, picture)


def browse(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    plane: str = "axial",
) -> "Browse":
    """The slices of a scan with its label (the reference) and a mask (the prediction), as widgets.

    Every control is an attribute. Raises `LiverlibError` where shapes differ, a label holds other
    values than 0, 1, 2, or the plane is unknown.

    Args:
        scan, label, mask: volumes of one shape; label and mask may be left out.
        plane: "axial", "coronal" or "sagittal".

    >>> browse(scan, label).slice.value = 40
    """
    from .widgets import Browse  # ipywidgets only where it is asked for

    check_volumes(scan, label, mask)
    _check_plane(plane, LAYOUTS[1:])
    return Browse(scan, label, mask, plane)


def _check_start(plane: str, opacity: float) -> None:
    """Raises `LiverlibError` for what a page cannot begin with."""
    _check_plane(plane, LAYOUTS)
    if not 0 <= opacity <= 1:
        raise LiverlibError(f"opacity={opacity} is not allowed; choose from 0 to 1.")


def _check_plane(plane: str, planes: Sequence[str]) -> None:
    if plane not in planes:
        raise LiverlibError(f"plane={plane!r} is not known; choose of {', '.join(planes)}.")


def _mode(show: str | None, label: Volume | None, mask: Volume | None) -> str:
    has = {"label": label is not None, "mask": mask is not None}
    has["both"] = has["difference"] = all(has.values())
    if show is None:
        return next((mode for mode in ("both", "mask") if has[mode]), "label")
    if show not in SHOW or not has[show]:
        possible = ", ".join(mode for mode in SHOW if has[mode]) or "none without label and mask"
        raise LiverlibError(f"show={show!r} cannot be shown here; possible: {possible}.")
    return show
