"""The slice browser as an editor: frame times while painting, sizes of files, seconds to start.

Paints with a ball of 20 mm across, and of 20 mm radius, in a real Chromium, in all three planes at
once. A frame is the time from one picture to the next while the mouse moves without a pause, for
pictures in which something was painted; the targets are 20 ms at the median and 35 ms at the 95th
percentile, and 25 MB for the largest page. Then a scripted hand mends the three worst errors of one
mask: a click of the brush or the eraser each, as large as the error. Needs Debian's chromium and
playwright.
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

from liverlib.evaluation.overlap import dice
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label
from liverlib.io.volume import Grid, Volume
from liverlib.synthesis.phantom.phantom import make_phantom
from liverlib.view.viewer.page import show

SIZES = {"128³": (128, 128, 128), "256×256×200": (256, 256, 200), "512×512×300": (512, 512, 300)}
RADII = (10, 20)  # mm
WATCH = """() => {
  window.frames_ = [];
  window.watching = true;
  let [last, at] = [performance.now(), ""];
  const tick = (now) => {
    const moved = String(sliceBrowser.state.at);
    if (moved !== at) window.frames_.push(now - last);
    [last, at] = [now, moved];
    if (window.watching) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
STOP = "() => { window.watching = false; return window.frames_.slice(2); }"
SURFACES = "sliceBrowser.solid.scene.milliseconds"


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
        time_surfaces(report, chromium, Path(name), options.sizes)
        mend(report, chromium, Path(name))


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


def time_surfaces(report, chromium, folder: Path, sizes: list[str]) -> None:
    """The table of milliseconds from the mask to both surfaces."""
    report.columns("surfaces of", "ms, median of 5", "triangles")
    for size in sizes:
        scan, mask = make_case(SIZES[size])
        path = show(scan, mask=mask).save(folder / "page.html")
        with opened(chromium, path) as page:
            taken = []
            for _ in range(5):
                page.click("#whole")
                taken.append(page.evaluate(SURFACES))
                page.click("#whole")
            parts = "sliceBrowser.solid.scene.parts.map(p => p.mesh.triangles.length / 3)"
            triangles = sum(page.evaluate(parts))
        report.row(size, f"{np.median(taken):.0f}", f"{triangles:,.0f}")


def mend(report, chromium, folder: Path, worst: int = 3) -> None:
    """The table of Dice before and after the worst errors of one predicted mask are mended."""
    scan, label = make_phantom(1000)
    mask = Segmenter.load().predict(scan).mask
    path = show(scan, label, mask).save(folder / "page.html")
    reference = label.voxels == 2
    report.columns("phantom 1000", "clicks", "keys", "s", "tumour Dice")
    report.row("before", 0, 0, "", f"{dice(reference, mask.voxels == 2):.3f}")
    with opened(chromium, path, viewport={"width": 1500, "height": 1000}) as page:
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        page.evaluate("sliceBrowser.change({ solid: true, inside: true })")
        started, keys = time.perf_counter(), 0
        for missed, voxel, mm in errors(reference, mask.voxels == 2, scan.grid, worst):
            page.keyboard.press("b" if missed else "e")
            keys += 1
            settings = {"at": voxel, "radius": mm}
            page.evaluate("changes => sliceBrowser.change(changes)", settings)
            click(page, scan.voxels.shape, voxel)
        seconds = time.perf_counter() - started
        with page.expect_download() as waiting:
            page.click("#save-mask")
        waiting.value.save_as(folder / "mended.nii.gz")
    mended = read_label(folder / "mended.nii.gz", like=scan)
    values = (worst, keys, f"{seconds:.1f}", f"{dice(reference, mended.voxels == 2):.3f}")
    report.row(f"the worst {worst} mended", *values)


def errors(reference: np.ndarray, predicted: np.ndarray, grid: Grid, most: int) -> list[tuple]:
    """The largest pieces of what is missed or extra: which, its deepest voxel, its depth in mm."""
    found = []
    for missed, wrong in ((True, reference & ~predicted), (False, predicted & ~reference)):
        pieces, _ = ndimage.label(wrong)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        for piece in np.argsort(-sizes)[:most]:
            depth = ndimage.distance_transform_edt(pieces == piece, grid.spacing)
            voxel = np.unravel_index(depth.argmax(), depth.shape)
            found.append((sizes[piece], missed, [int(i) for i in voxel], float(depth.max())))
    return [item[1:] for item in sorted(found, key=lambda item: -item[0])[:most]]


def click(page, shape: tuple[int, ...], voxel: list[int]) -> None:
    """A click on a voxel in the axial plane."""
    box = page.locator("[data-plane=axial] .picture canvas").bounding_box()
    x, y = (1 - (voxel[axis] + 0.5) / shape[axis] for axis in (0, 1))
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


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
