"""Moving pictures through the liver: GIF with Pillow, MP4 where ffmpeg is on the PATH.

Small enough for a report: a film that would be too large is shrunk until it is not. Equal scans
give equal bytes.
"""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.io.volume import Volume

from .slices import COLOURS, pixel_aspect, render_slice

LARGEST = 700_000  # bytes of a GIF: eight of them still make a page that can be sent
FRAMES, WIDTH, OPACITY = 40, 512, 0.4


def animate(
    path: str | Path,
    scan: Volume,
    label: Volume | None = None,
    mask: Volume | None = None,
    window: str | tuple[float, float] = "soft tissue",
    seconds: float = 6.0,
) -> bool:
    """Films the axial slices of the liver, feet to head, into a ``.gif`` or an ``.mp4``.

    A label is filled; a mask beside it is outlined. Says whether the film was written: an
    ``.mp4`` is not where there is no ffmpeg. Raises `LiverlibError` for another suffix.
    """
    path = Path(path)
    if path.suffix not in (".gif", ".mp4"):
        raise LiverlibError(f"{path}: films are .gif or .mp4. Give the path one of these endings.")
    if path.suffix == ".mp4" and not shutil.which("ffmpeg"):
        return False
    frames = _frames(scan, label, mask, window)
    content = _gif if path.suffix == ".gif" else _mp4
    with atomic(path) as temporary:
        content(temporary, frames, len(frames) / seconds)
    return True


def liver_slices(label: Volume | None, mask: Volume | None, scan: Volume, n: int) -> list[int]:
    """At most `n` axial slices, evenly through the liver; through the scan where there is none."""
    occupied = np.zeros(scan.voxels.shape[2], bool)
    for volume in (label, mask):
        if volume is not None:
            occupied |= volume.voxels.any(axis=(0, 1))
    inside = np.nonzero(occupied)[0] if occupied.any() else np.arange(occupied.size)
    first, last = inside[0], inside[-1]
    return np.unique(np.linspace(first, last, n).round().astype(int)).tolist()


def _frames(
    scan: Volume, label: Volume | None, mask: Volume | None, window: str | tuple[float, float]
) -> list[Image.Image]:
    """One picture a slice, in true proportions, with even edges (video wants them)."""
    show = "both" if label and mask else "mask" if mask else "label"
    aspect = pixel_aspect(scan.grid, "axial")
    pictures = []
    for index in liver_slices(label, mask, scan, FRAMES):
        rgb = render_slice(
            scan, "axial", index, label=label, mask=mask, show=show, window=window, opacity=OPACITY
        )
        width = min(WIDTH, max(rgb.shape[1], WIDTH // 2))
        height = rgb.shape[0] * aspect * width / rgb.shape[1]
        size = [2 * max(1, round(edge / 2)) for edge in (width, height)]
        picture = Image.fromarray(np.ascontiguousarray(rgb))
        pictures.append(picture.resize(size, Image.Resampling.BILINEAR))
    return pictures


def _gif(path: Path, frames: list[Image.Image], rate: float) -> None:
    """Writes frames with one palette for all, smaller and smaller until the file is small."""
    while True:
        content = _encode(frames, rate)
        if len(content) <= LARGEST or min(frames[0].size) < 64:
            break
        factor = max(0.5, 0.95 * (LARGEST / len(content)) ** 0.5)
        size = [round(edge * factor) for edge in frames[0].size]
        frames = [frame.resize(size, Image.Resampling.BOX) for frame in frames]
    path.write_bytes(content)


def _encode(frames: list[Image.Image], rate: float) -> bytes:
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette().tobytes())
    coded = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = io.BytesIO()
    coded[0].save(
        stream, "GIF", save_all=True, append_images=coded[1:], duration=round(1000 / rate), loop=0
    )
    return stream.getvalue()


def _palette() -> np.ndarray:
    """Few colours, but evenly spread ones: greys, and greys under a fill or a line, (N, 3).

    Fewer shades show as steps; more of them go into the noise, which GIF cannot compress.
    """
    shades = [np.linspace(0, 255, 24)[:, None].repeat(3, 1)]
    for name in ("liver", "tumour"):
        for share, n in ((OPACITY, 16), (2 * OPACITY, 6)):  # lines are twice as opaque as fills
            grey = np.linspace(0, 255, n)[:, None]
            shades.append(grey * (1 - share) + np.array(COLOURS[name]) * share)
    return np.concatenate(shades).round().astype(np.uint8)


def _mp4(path: Path, frames: list[Image.Image], rate: float) -> None:
    """Writes frames through ffmpeg, whatever H.264 or MPEG-4 encoder it was built with."""
    width, height = frames[0].size
    command = [
        "ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{width}x{height}", "-r", f"{rate:.3f}", "-i", "-", "-threads", "1",
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-pix_fmt", "yuv420p",
        "-movflags", "+faststart", str(path),
    ]  # fmt: skip
    raw = b"".join(frame.tobytes() for frame in frames)
    done = subprocess.run(command, input=raw, capture_output=True)
    if done.returncode:
        raise LiverlibError(
            f"{path}: ffmpeg failed ({done.stderr.decode(errors='replace').strip()[-200:]}). "
            "Make a .gif instead."
        )
