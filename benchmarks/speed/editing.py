"""The slice browser as an editor: frame times while painting, sizes of files, seconds to start.

Paints with a ball of 20 mm across, and of 20 mm radius, in a real Chromium, in all three planes at
once. A frame is the time from one picture to the next while the mouse moves without a pause; the
targets are 20 ms at the median and 35 ms at the 95th percentile, and 25 MB for the largest page.
Needs Debian's chromium and playwright.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from chromium import launched, opened
from report import Report

from liverlib.io.volume import Grid, Volume
from liverlib.synthesis.phantom.phantom import make_phantom
from liverlib.view.viewer.page import show

SIZES = {"128³": (128, 128, 128), "256×256×200": (256, 256, 200), "512×512×300": (512, 512, 300)}
RADII = (10, 20)  # mm
WATCH = """() => {
  window.frames_ = [];
  window.watching = true;
  let last = performance.now();
  const tick = (now) => {
    window.frames_.push(now - last);
    last = now;
    if (window.watching) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
STOP = "() => { window.watching = false; return window.frames_.slice(2); }"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--moves", type=int, default=300, help="of the mouse, for each row")
    options = parser.parse_args()
    with Report(__file__) as report, tempfile.TemporaryDirectory() as name, launched() as chromium:
        report.text(f"Chromium {chromium.version}, headless, drawing in software.")
        report.columns("page", "around", "file, MB", "made, s", "shown, s", "tools open, s",
                       "ball, radius mm", "median frame, ms", "95 %", "frames")  # fmt: skip
        for size in options.sizes:
            for around in (None, "liver"):
                time_page(report, chromium, Path(name), size, around, options.moves)


def time_page(report, chromium, folder: Path, size: str, around: str | None, moves: int) -> None:
    """The rows of one page: one for each brush."""
    scan, mask = make_case(SIZES[size])
    started = time.perf_counter()
    path = show(scan, mask=mask, around=around).save(folder / "page.html")
    made = time.perf_counter() - started
    megabytes = path.stat().st_size / 1e6
    started = time.perf_counter()
    with opened(chromium, path, viewport={"width": 1500, "height": 1000}) as page:
        shown = time.perf_counter() - started
        started = time.perf_counter()
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        opening = time.perf_counter() - started
        for radius in RADII:
            settings = {"tool": "brush", "of": "tumour", "solid": True, "radius": radius}
            page.evaluate("changes => sliceBrowser.change(changes)", settings)
            frames = painted_frames(page, moves)
            row = [f"{np.median(frames):.1f}", f"{np.percentile(frames, 95):.1f}", len(frames)]
            page.keyboard.press("Control+z")
            times = (f"{value:.1f}" for value in (made, shown, opening))
            report.row(size, around or "whole", f"{megabytes:.2f}", *times, radius, *row)


def painted_frames(page, moves: int) -> np.ndarray:
    """The frames, in ms, while the mouse paints round and round in the axial plane."""
    box = page.locator("[data-plane=axial] .picture").bounding_box()
    angle = np.linspace(0, 6 * np.pi, moves)
    reach = np.linspace(0.1, 0.3, moves)
    x = box["x"] + box["width"] * (0.4 + reach * np.cos(angle))
    y = box["y"] + box["height"] * (0.5 + reach * np.sin(angle))
    page.mouse.move(x[0], y[0])
    page.mouse.down()
    page.evaluate(WATCH)
    for across, down in zip(x, y, strict=True):
        page.mouse.move(across, down)
    frames = page.evaluate(STOP)
    page.mouse.up()
    return np.array(frames)


def make_case(shape: tuple[int, int, int]) -> tuple[Volume, Volume]:
    """A phantom and its label at a size, with noise as a scan has it."""
    scan, label = make_phantom(3)
    zoom = np.array(shape) / scan.voxels.shape
    hu = ndimage.zoom(scan.voxels.astype(np.float32), zoom, order=1)
    hu += np.random.default_rng(0).normal(0, 12, shape).astype(np.float32)
    classes = ndimage.zoom(label.voxels, zoom, order=0)
    grid = Grid.of(shape, scan.grid.affine @ np.diag([*(1 / zoom), 1]), "LPS")
    return Volume(np.rint(hu).astype(np.int16), grid, "phantom"), Volume(classes, grid, "mask")


if __name__ == "__main__":
    main()
