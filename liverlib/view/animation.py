"""Films through the liver, as GIF.

A film that would be too large is shrunk until it fits into a report. Equal scans give equal bytes.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.io.volume import Volume

from .slices import COLOURS, liver_slices, pixel_aspect, render_slice

MAX_BYTES = 700_000  # of a film: a page with eight of them can still be sent
MAX_FRAMES, MAX_WIDTH = 40, 512
OPACITY = 0.4


def animate(
    path: str | Path,
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    window: str | tuple[float, float] = "soft tissue",
    seconds: float = 6.0,
) -> Path:
    """Writes the axial slices of the liver, feet to head, as a film; returns its path.

    The label is filled, a mask beside it is outlined. Raises `LiverlibError` for a path that does
    not end in ``.gif``.
    """
    path = Path(path)
    if path.suffix != ".gif":
        raise LiverlibError(f"{path}: films are GIF files. Let the path end in .gif.")
    frames = _frames(scan, label, mask, window)
    with atomic(path) as temporary:
        temporary.write_bytes(_small_gif(frames, seconds / len(frames)))
    return path


def _frames(
    scan: Volume, label: Volume | None, mask: Volume | None, window: str | tuple[float, float]
) -> list[Image.Image]:
    """One picture a slice, in true proportions."""
    show = "both" if label and mask else "mask" if mask else "label"
    aspect = pixel_aspect(scan.grid, "axial")
    pictures = []
    for index in liver_slices(label, mask, scan, MAX_FRAMES):
        rgb = render_slice(
            scan, "axial", index, label=label, mask=mask, show=show, window=window, opacity=OPACITY
        )
        width = min(MAX_WIDTH, max(rgb.shape[1], MAX_WIDTH // 2))
        height = max(1, round(rgb.shape[0] * aspect * width / rgb.shape[1]))
        picture = Image.fromarray(np.ascontiguousarray(rgb))
        pictures.append(picture.resize((width, height), Image.Resampling.BILINEAR))
    return pictures


def _small_gif(frames: list[Image.Image], seconds: float) -> bytes:
    """The frames, shrunk until the file holds at most `MAX_BYTES`; each is shown for `seconds`."""
    while True:
        content = _gif(frames, seconds)
        if len(content) <= MAX_BYTES or min(frames[0].size) < 64:
            return content
        factor = max(0.5, 0.95 * (MAX_BYTES / len(content)) ** 0.5)
        size = [round(edge * factor) for edge in frames[0].size]
        frames = [frame.resize(size, Image.Resampling.BOX) for frame in frames]


def _gif(frames: list[Image.Image], seconds: float) -> bytes:
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette().tobytes())
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    stream, milliseconds = io.BytesIO(), round(1000 * seconds)
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
    return stream.getvalue()


def _palette() -> np.ndarray:
    """Evenly spread greys, bare and under a fill or a line, (N, 3) uint8.

    Fewer shades show as steps. More of them render the noise, which GIF cannot compress.
    """
    shades = [np.linspace(0, 255, 24)[:, None].repeat(3, 1)]
    for name in ("liver", "tumour"):
        for alpha, n in ((OPACITY, 16), (2 * OPACITY, 6)):  # lines are twice as opaque as fills
            grey = np.linspace(0, 255, n)[:, None]
            shades.append(grey * (1 - alpha) + np.array(COLOURS[name]) * alpha)
    return np.concatenate(shades).round().astype(np.uint8)
