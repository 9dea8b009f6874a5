"""Figures of slices: scans with their labels and masks, with matplotlib.

Every function returns a figure. The caller shows it (`plt.show()`) or keeps it (`save`). Slices are
radiological, in true proportions, and in the colours of `slices.COLOURS`.
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
from liverlib.core.text import plain
from liverlib.evaluation.overlap import dice, volume_ml
from liverlib.io.volume import Volume

from .slices import (
    PLANES,
    hex_colour,
    largest_slice,
    legend,
    letters,
    liver_slices,
    pixel_aspect,
    render_slice,
)

SHADOW = [patheffects.withStroke(linewidth=2, foreground="black")]
HIGHEST = 20.0  # inches: of a narrow, long scan a picture in full width would fill the memory
LETTERS_AT = {"left": (0.02, 0.5), "right": (0.98, 0.5), "top": (0.5, 0.98), "bottom": (0.5, 0.02)}


def three_planes(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    at: tuple[int, int, int] | None = None,
    window: str | tuple[float, float] = "soft tissue",
    contour: bool = False,
) -> Figure:
    """The three planes through the voxel `at`, on one scale.

    Without `at` each plane shows its slice with most tumour, or with most liver where there is no
    tumour. The label is filled, a mask beside it is outlined; with `contour` all is outlined.
    """
    sizes = {plane: _size(scan, plane) for plane in ("axial", "coronal", "sagittal")}
    widths = [width for width, _ in sizes.values()]
    inches = 10 / sum(widths) * max(height for _, height in sizes.values())
    figure, axes = plt.subplots(
        1, 3, figsize=(10, min(inches + 1, HIGHEST)), layout="constrained", width_ratios=widths
    )
    for axis, plane in zip(axes, sizes, strict=True):
        index = at[PLANES[plane]] if at is not None else _largest(scan, label, mask, plane)
        show_slice(axis, scan, plane, index, label=label, mask=mask, window=window, contour=contour)
        axis.set_title(f"{plane} slice {index}", fontsize=10)
    _legend(figure, label, mask)
    figure.suptitle(plain(scan.name))
    return figure


def slices(
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    n: int = 5,
    window: str | tuple[float, float] = "soft tissue",
) -> Figure:
    """`n` axial slices in a row, evenly through the liver, feet to head."""
    width, height = _size(scan, "axial")
    inches = min(12 / n * height / width + 1, HIGHEST)
    figure, axes = plt.subplots(1, n, figsize=(12, inches), layout="constrained", squeeze=False)
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
    """Reference, prediction and difference on the reference's slice with most tumour, else liver.

    The Dice in the title is of the whole volume.
    """
    index = largest_slice(label)
    width, height = _size(scan, "axial")
    inches = min(11 / 3 * height / width + 1.1, HIGHEST)
    figure, axes = plt.subplots(1, 3, figsize=(11, inches), layout="constrained")
    titles = {"label": "reference", "mask": "prediction", "difference": "difference"}
    for axis, (show, title) in zip(axes, titles.items(), strict=True):
        show_slice(axis, scan, "axial", index, label=label, mask=mask, window=window, show=show)
        axis.set_title(title, fontsize=10)
    _patches(figure, legend("label") | legend("difference"))
    text = f"{plain(scan.name)}, axial slice {index}: {_dice_text(label, mask)}"
    figure.suptitle(text, fontsize=11)
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
    contour: bool = False,
) -> None:
    """Paints one slice into an axis, in true proportions, with the letters of the patient's sides.

    `show` is one of `slices.SHOW`; by default whatever is given is shown.
    """
    picture = render_slice(
        scan, plane, index, label=label, mask=mask, window=window, contour=contour,
        show=show or _show(label, mask),
    )  # fmt: skip
    axis.imshow(picture, aspect=pixel_aspect(scan.grid, plane))
    axis.set_axis_off()
    for side, letter in letters(plane).items():
        across = side if side in ("left", "right") else "center"
        along = side if side in ("top", "bottom") else "center"
        axis.text(
            *LETTERS_AT[side], letter, transform=axis.transAxes, ha=across, va=along, color="white",
            fontsize=9, path_effects=SHADOW,
        )  # fmt: skip


def compare(pictures: Mapping[str, np.ndarray], aspect: float = 1.0) -> Figure:
    """Pictures side by side under their names: (rows, columns, 3), or (rows, columns) in greys."""
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
    """Writes a figure as PNG, atomically, and closes it. Equal figures give equal bytes."""
    with atomic(path) as temporary:
        temporary.write_bytes(to_png(figure))
    return Path(path)


def to_png(figure: Figure) -> bytes:
    """A figure as PNG; closes it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()


def _dice_text(label: Volume, mask: Volume) -> str:
    text = f"liver Dice {dice(label.voxels, mask.voxels):.3f}"
    reference, predicted = label.voxels == 2, mask.voxels == 2
    if reference.any():
        return f"{text}, tumour Dice {dice(reference, predicted):.3f}"
    amount = "none"
    if predicted.any():
        ml = volume_ml(predicted, label.grid.spacing)
        amount = f"{ml:.1f} ml" if label.grid.spacing_known else f"{predicted.sum()} voxels"
    return f"{text}, no tumour, {amount} predicted"


def _size(scan: Volume, plane: str) -> tuple[float, float]:
    """Width and height of a slice in mm."""
    across, along = (a for a in range(3) if a != PLANES[plane])
    extent = np.array(scan.voxels.shape) * scan.grid.spacing
    return float(extent[across]), float(extent[along])


def _largest(scan: Volume, label: Volume | None, mask: Volume | None, plane: str) -> int:
    classes = label or mask
    return largest_slice(classes, plane) if classes else scan.voxels.shape[PLANES[plane]] // 2


def _show(label: Volume | None, mask: Volume | None) -> str:
    return "both" if label and mask else "mask" if mask else "label"


def _legend(figure: Figure, label: Volume | None, mask: Volume | None) -> None:
    """Names the classes that label and mask hold."""
    highest = max((int(volume.voxels.max()) for volume in (label, mask) if volume), default=0)
    title = "filled: reference, outlined: prediction" if label and mask else None
    if highest:
        _patches(figure, legend("label", tuple(range(1, highest + 1))), title)


def _patches(figure: Figure, colours: Mapping[str, tuple], title: str | None = None) -> None:
    handles = [Patch(color=hex_colour(name), label=name) for name in colours]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9, title=title,
        title_fontsize=9, frameon=False,
    )  # fmt: skip
