"""Still pictures of scans, labels, masks and training, with matplotlib.

Every function returns a figure and leaves showing it (`plt.show()`) or keeping it (`save`) to the
caller. Slices look as in `liverlib.render`: radiological, in true proportions, the same colours
everywhere.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from liverlib.core.files import atomic
from liverlib.evaluation.overlap import dice, volume_ml
from liverlib.io.volume import Volume

from .animation import liver_slices
from .slices import PLANES, hex_colour, largest_slice, legend, letters, pixel_aspect, render_slice

SHADOW = [patheffects.withStroke(linewidth=2, foreground="black")]


def three_planes(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    at: tuple[int, int, int] | None = None,
    window: str | tuple[float, float] = "soft tissue",
) -> Figure:
    """The three planes through the voxel `at`, on one scale.

    Without `at` each plane shows its slice with most tumour, or most liver where there is none.
    A label is filled; a mask beside it is outlined.
    """
    sizes = {plane: _size(scan, plane) for plane in ("axial", "coronal", "sagittal")}
    ratios = [width for width, _ in sizes.values()]
    shape = 10 / sum(ratios) * max(height for _, height in sizes.values())
    figure, axes = plt.subplots(
        1, 3, figsize=(10, shape + 1), layout="constrained", width_ratios=ratios
    )
    for axis, plane in zip(axes, sizes, strict=True):
        index = at[PLANES[plane]] if at is not None else _best(scan, label, mask, plane)
        show_slice(axis, scan, plane, index, label=label, mask=mask, window=window)
        axis.set_title(f"{plane} slice {index}", fontsize=10)
    _legend(figure, label, mask)
    figure.suptitle(scan.name)
    return figure


def slices(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    n: int = 5,
    window: str | tuple[float, float] = "soft tissue",
) -> Figure:
    """A strip of `n` axial slices, evenly through the liver, feet to head."""
    width, height = _size(scan, "axial")
    figure, axes = plt.subplots(
        1, n, figsize=(12, 12 / n * height / width + 1), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, index in zip(axes.flat, liver_slices(label, mask, scan, n), strict=False):
        show_slice(axis, scan, "axial", index, label=label, mask=mask, window=window)
        axis.set_title(f"slice {index}", fontsize=10)
    _legend(figure, label, mask)
    return figure


def overlay(
    scan: Volume, label: Volume, mask: Volume, window: str | tuple[float, float] = "soft tissue"
) -> Figure:
    """Truth, prediction and their difference, on the slice with most tumour, else most liver.

    The Dice in the title is that of the whole volume.
    """
    index = largest_slice(label.voxels)
    width, height = _size(scan, "axial")
    figure, axes = plt.subplots(
        1, 3, figsize=(11, 11 / 3 * height / width + 1.1), layout="constrained"
    )
    titles = {"label": "truth", "mask": "prediction", "difference": "difference"}
    for axis, (show, title) in zip(axes, titles.items(), strict=True):
        show_slice(axis, scan, "axial", index, label=label, mask=mask, window=window, show=show)
        axis.set_title(title, fontsize=10)
    _patches(figure, legend("label") | legend("difference"))
    figure.suptitle(f"{scan.name}, axial slice {index}: {_agreement(label, mask)}", fontsize=11)
    return figure


def show_slice(
    axis: Axes,
    scan: Volume,
    plane: str,
    index: int,
    *,
    label: Volume | None = None,
    mask: Volume | None = None,
    show: str | None = None,
    window: str | tuple[float, float] = "soft tissue",
) -> None:
    """Draws one slice into an axis, in true proportions, lettered with the patient's sides."""
    picture = render_slice(
        scan, plane, index, label=label, mask=mask, window=window, show=show or _show(label, mask)
    )
    axis.imshow(picture, aspect=pixel_aspect(scan.grid, plane))
    axis.set_axis_off()
    places = {"left": (0.02, 0.5), "right": (0.98, 0.5), "top": (0.5, 0.98), "bottom": (0.5, 0.02)}
    for side, letter in letters(plane).items():
        across = side if side in ("left", "right") else "center"
        along = side if side in ("top", "bottom") else "center"
        axis.text(
            *places[side], letter, transform=axis.transAxes, ha=across, va=along, color="white",
            fontsize=9, path_effects=SHADOW,
        )  # fmt: skip


def compare(pictures: Mapping[str, np.ndarray], aspect: float = 1.0) -> Figure:
    """Pictures side by side under their names: RGB, or one channel shown in greys."""
    figure, axes = plt.subplots(
        1, len(pictures), figsize=(12, 12 / len(pictures) + 0.4), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=True):
        axis.imshow(picture, cmap="gray", aspect=aspect)
        axis.set_title(name, fontsize=10)
        axis.set_axis_off()
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Writes a figure as PNG, whole or not at all, and closes it. Equal figures, equal bytes."""
    with atomic(path) as temporary:
        temporary.write_bytes(to_png(figure))
    return Path(path)


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; closes it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()


def _agreement(label: Volume, mask: Volume) -> str:
    text = f"liver Dice {dice(label.voxels, mask.voxels):.3f}"
    truth, drawn = label.voxels == 2, mask.voxels == 2
    if truth.any():
        return f"{text}, tumour Dice {dice(truth, drawn):.3f}"
    if not drawn.any():
        return f"{text}, no tumour, none drawn"
    known = label.grid.spacing_known
    amount = f"{volume_ml(drawn, label.grid.spacing):.1f} ml" if known else f"{drawn.sum()} voxels"
    return f"{text}, no tumour, {amount} drawn"


def _size(scan: Volume, plane: str) -> tuple[float, float]:
    """Width and height of a slice in mm."""
    across, along = (a for a in range(3) if a != PLANES[plane])
    extent = np.array(scan.voxels.shape) * scan.grid.spacing
    return float(extent[across]), float(extent[along])


def _best(scan: Volume, label: Volume | None, mask: Volume | None, plane: str) -> int:
    shown = label or mask
    return largest_slice(shown.voxels, plane) if shown else scan.voxels.shape[PLANES[plane]] // 2


def _show(label: Volume | None, mask: Volume | None) -> str:
    return "both" if label and mask else "mask" if mask else "label"


def _legend(figure: Figure, label: Volume | None, mask: Volume | None) -> None:
    """Names the classes that there are."""
    highest = max((int(one.voxels.max()) for one in (label, mask) if one), default=0)
    title = "filled: truth, outlined: prediction" if label and mask else None
    if highest:
        _patches(figure, legend("label", tuple(range(1, highest + 1))), title)


def _patches(figure: Figure, colours: Mapping[str, tuple], title: str | None = None) -> None:
    handles = [Patch(color=hex_colour(name), label=name) for name in colours]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, title=title,
        title_fontsize=9, frameon=False,
    )  # fmt: skip
