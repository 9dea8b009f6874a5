"""The pixels of one slice: HU window, colours, planes, and the letters of the patient's sides.

NumPy only. viewer/web/paint.js paints the same pixels in the page, and a test compares the two. So
rounding and the order of arithmetic here are deliberate.
"""

import io

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.io.segments import SEGMENTS
from liverlib.io.volume import Grid, Volume

Voxels = np.ndarray | Volume  # (X, Y, Z) in RAS order
WINDOWS = {  # (width, level) in HU
    "liver": (150, 30),
    "soft tissue": (400, 40),
    "bone": (1800, 400),
    "lung": (1500, -600),
}
# Okabe and Ito's palette, <https://jfly.uni-koeln.de/color/>. Of its triples, blue, vermilion and
# yellow stay furthest apart on grey under simulated protan, deutan and tritan sight.
COLOURS = {
    **{segment.name.lower(): segment.colour for segment in SEGMENTS},
    "agreed": (0, 114, 178),
    "missed": (213, 94, 0),
    "extra": (240, 228, 66),
}
KINDS = ("", *COLOURS)  # of a painted pixel: 0 nothing, 1 liver … 5 extra
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis that is constant in the plane
SHOW = ("label", "mask", "both", "difference")
# 256 HU values for a volume of 8 bits, fine enough for every window above: steps of 2 HU in the
# liver's range, 4 around it, 24 in bone, 32 in air and lung.
HU_LEVELS = np.r_[-1024:-192:32, -192:-64:4, -64:140:2, 140:300:4, 300:1644:24].astype(np.int16)


def hex_colour(name: str) -> str:
    """A colour of `COLOURS` as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*COLOURS[name])


def legend(show: str, classes: tuple[int, ...] = (1, 2)) -> dict[str, tuple[int, int, int]]:
    """The colours that `render_slice` may paint with, by name, in the order to list them."""
    if show == "difference":
        return {name: COLOURS[name] for name in ("agreed", "missed", "extra")}
    return {KINDS[c]: COLOURS[KINDS[c]] for c in sorted(classes)}


def window_of(window: str | tuple[float, float]) -> tuple[float, float]:
    """(width, level) in HU of a window, which is such a pair or a name in `WINDOWS`.

    Raises `LiverlibError` for an unknown name, and for a width that is not above 0.
    """
    if isinstance(window, str):
        if window not in WINDOWS:
            names = ", ".join(WINDOWS)
            raise LiverlibError(
                f"window {window!r} is not known; choose one of {names}, or (width, level) in HU."
            )
        return WINDOWS[window]
    if not window[0] > 0:
        raise LiverlibError(f"window={window} is not allowed; its width must be above 0 HU.")
    return window


def windowed(hu: np.ndarray, width: float, level: float) -> np.ndarray:
    """Grey values, uint8: 0 at `level - width / 2` HU and below, 255 at `level + width / 2`."""
    low = level - width / 2
    fraction = (np.asarray(hu, np.float64) - low) / width
    return np.floor(np.clip(np.nan_to_num(fraction), 0, 1) * 255 + 0.5).astype(np.uint8)


def to_levels(hu: np.ndarray) -> np.ndarray:
    """Index into `HU_LEVELS` of the level nearest to each voxel, uint8, same shape."""
    first, last = int(HU_LEVELS[0]), int(HU_LEVELS[-1])
    middles = (HU_LEVELS[1:] + HU_LEVELS[:-1]) / 2
    table = np.searchsorted(middles, np.arange(first, last + 1)).astype(np.uint8)
    whole = hu if hu.dtype.kind in "iu" else np.rint(hu)
    return table[np.clip(whole, first, last).astype(np.int16) - first]


def plane_slice(volume: Voxels, plane: str, index: int, radiological: bool = True) -> np.ndarray:
    """One slice as it is shown, (rows, columns): a view of an array in RAS order.

    Front is up in axial slices, the head in the others. Front is on the viewer's left in sagittal
    slices. `radiological` puts the patient's right on the viewer's left.
    """
    flat = np.moveaxis(_voxels(volume), _axis(plane), 0)[index]  # np.take copies the volume
    turned = flat.T[::-1]
    mirrored = radiological or plane == "sagittal"
    return turned[:, ::-1] if mirrored else turned


def letters(plane: str, radiological: bool = True) -> dict[str, str]:
    """The side of the patient (R, L, A, P, H, F) at each side of the picture."""
    left, right = ("A", "P") if plane == "sagittal" else ("R", "L") if radiological else ("L", "R")
    top, bottom = ("A", "P") if plane == "axial" else ("H", "F")
    return {"left": left, "right": right, "top": top, "bottom": bottom}


def pixel_aspect(grid: Grid, plane: str) -> float:
    """Height of a pixel divided by its width, from the grid's spacing."""
    columns, rows = (grid.spacing[axis] for axis in range(3) if axis != _axis(plane))
    return float(rows / columns)


def largest_slice(classes: Voxels, plane: str = "axial", value: int = 2) -> int:
    """Index of the slice with most voxels of class `value` or above (the liver holds its tumours).

    Without such voxels it is the slice with most liver, and without a liver the middle one.
    """
    classes, axis = _voxels(classes), _axis(plane)
    for least in range(value, 0, -1):
        others = tuple(a for a in range(3) if a != axis)
        counts = np.count_nonzero(classes >= least, axis=others)
        if counts.any():
            return int(counts.argmax())
    return classes.shape[axis] // 2


def liver_slices(label: Volume | None, mask: Volume | None, scan: Volume, n: int) -> list[int]:
    """Indices of at most `n` axial slices, evenly through the liver of label and mask together.

    Without a liver they go evenly through the scan.
    """
    occupied = np.zeros(scan.voxels.shape[2], bool)
    for volume in (label, mask):
        if volume is not None:
            occupied |= volume.voxels.any(axis=(0, 1))
    inside = np.nonzero(occupied)[0] if occupied.any() else np.arange(occupied.size)
    return np.unique(np.linspace(inside[0], inside[-1], n).round().astype(int)).tolist()


def render_slice(
    volume: Voxels,
    plane: str,
    index: int,
    *,
    label: Voxels | None = None,
    mask: Voxels | None = None,
    show: str = "label",
    window: str | tuple[float, float] = "soft tissue",
    opacity: float = 0.4,
    contour: bool = False,
    classes: tuple[int, ...] = (1, 2),
    radiological: bool = True,
) -> np.ndarray:
    """One slice in colours, (rows, columns, 3) uint8, of arrays or volumes in RAS order.

    `show` is "label" or "mask" (in the colours of liver and tumour), "both" (the label filled, or
    dotted with `contour`, and the mask outlined) or "difference" (agreed, missed, extra).
    `classes` without 2 shows tumours as liver. Lines are twice as opaque as fills.
    Raises `LiverlibError` for unknown names and unequal shapes.
    """
    _check(show, volume, label, mask)
    grey = windowed(plane_slice(volume, plane, index, radiological), *window_of(window))
    label, mask = (
        np.zeros(grey.shape, np.uint8)
        if array is None
        else plane_slice(array, plane, index, radiological)
        for array in (label, mask)
    )
    pairs = label + (mask << 2)
    kinds, lines = np.zeros((2, *grey.shape), np.uint8)
    for table, style in paint_layers(show, contour, classes):
        layer = table[pairs]
        if style == "fill":
            kinds = layer
            continue
        edge = outline(layer) & (dots(layer.shape) if style == "dotted" else True)
        lines = np.where(edge, layer, lines)
    return _blend(grey, kinds, lines, opacity)


def paint_layers(
    show: str, contour: bool = False, classes: tuple[int, ...] = (1, 2)
) -> list[tuple[np.ndarray, str]]:
    """The layers to paint, bottom first: a table from `label + 4 * mask` to a kind, and a style.

    A kind is an index into `KINDS`, a style "fill", "line" or "dotted".
    """
    liver = 1 if 1 in classes else 0
    chosen = np.array([0, liver, 2 if 2 in classes else liver, 0], np.uint8)
    label, mask = chosen[np.arange(16) % 4], chosen[np.arange(16) // 4]
    style = "line" if contour else "fill"
    if show == "both":
        return [(label, "dotted" if contour else "fill"), (mask, "line")]
    if show == "difference":
        unlike = np.where(label > mask, KINDS.index("missed"), KINDS.index("extra"))
        alike = np.where(label > 0, KINDS.index("agreed"), 0)
        return [(np.where(label == mask, alike, unlike).astype(np.uint8), style)]
    return [({"label": label, "mask": mask}[show], style)]


def outline(kinds: np.ndarray) -> np.ndarray:
    """Pixels of which one of the four neighbours in the picture is of a lower kind."""
    edge = np.zeros(kinds.shape, bool)
    edge[1:] |= kinds[:-1] < kinds[1:]
    edge[:-1] |= kinds[1:] < kinds[:-1]
    edge[:, 1:] |= kinds[:, :-1] < kinds[:, 1:]
    edge[:, :-1] |= kinds[:, 1:] < kinds[:, :-1]
    return edge


def dots(shape: tuple[int, int]) -> np.ndarray:
    """Every second pixel, as on a chessboard: bool of that shape."""
    return np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2 == 0


def png(rgb: np.ndarray, aspect: float = 1.0, height: int | None = None) -> bytes:
    """A picture as PNG, `height` pixels high; its pixels are `aspect` times as high as wide.

    Without `height` every row and column is kept. Equal pictures give equal bytes.
    """
    from PIL import Image  # comes with matplotlib

    rows, columns = rgb.shape[:2]
    scale = max(1, aspect) if height is None else height / rows
    size = max(1, round(columns * scale / aspect)), max(1, round(rows * scale))
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    if size != (columns, rows):
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _blend(grey: np.ndarray, kinds: np.ndarray, lines: np.ndarray, opacity: float) -> np.ndarray:
    palette = np.array([(0, 0, 0), *COLOURS.values()], np.float64)
    alpha = np.where(lines > 0, min(1.0, 2 * opacity), np.where(kinds > 0, opacity, 0.0))[..., None]
    colour = palette[np.where(lines > 0, lines, kinds)]
    mixed = grey[..., None] * (1 - alpha) + colour * alpha
    return np.floor(mixed + 0.5).astype(np.uint8)


def _voxels(volume: Voxels) -> np.ndarray:
    return volume.voxels if isinstance(volume, Volume) else volume


def _axis(plane: str) -> int:
    if plane not in PLANES:
        raise LiverlibError(f"plane {plane!r} is not known; choose one of {', '.join(PLANES)}.")
    return PLANES[plane]


def _check(show: str, volume: Voxels, label: Voxels | None, mask: Voxels | None) -> None:
    if show not in SHOW:
        raise LiverlibError(f"show={show!r} is not known; choose one of {', '.join(SHOW)}.")
    if show == "difference" and (label is None or mask is None):
        raise LiverlibError("show='difference' needs both a label and a mask. Give both.")
    shape = _voxels(volume).shape
    for name, array in (("label", label), ("mask", mask)):
        if array is not None and _voxels(array).shape != shape:
            raise LiverlibError(
                f"{name}: its shape is {_voxels(array).shape}, the scan's is {shape}. "
                "Bring both to one grid first."
            )
