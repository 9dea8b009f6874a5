"""The slice browser: from a key press to new pixels, in a real JupyterLab and Chromium.

`viewer.show`, `viewer.browse` and ipywidgets' `interact` with matplotlib, directly and through a
proxy that holds everything back by 60 ms each way, as a kernel in the cloud does. The targets are
20 ms at the median and 35 ms at the 95th percentile. Needs Debian's chromium, jupyterlab and
playwright.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from lab import command, free_port, jupyterlab, open_notebook, write_notebook
from report import Report

from liverlib.io.volume import Grid, Volume
from liverlib.synthesis.phantom.phantom import make_phantom
from liverlib.view.viewer.page import show

SIZES = {"128³": (128, 128, 128), "256×256×200": (256, 256, 200)}
DELAY = 0.06  # seconds each way
SLIDER = re.compile("slice|index")  # what the sliders that move through slices are called
WATCH = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

LOAD = """\
import numpy as np
from liverlib.view.viewer.page import browse, show
from liverlib.io.volume import Grid, Volume
stored = np.load("{name}.npz")
grid = Grid.of(stored["scan"].shape, stored["affine"])
scan, label, mask = (Volume(stored[n], grid, n) for n in ("scan", "label", "mask"))
"""
MATPLOTLIB = """\
import ipywidgets as widgets
import matplotlib.pyplot as plt
%matplotlib inline

def draw(index):
    planes = (np.s_[:, :, index], np.s_[:, index, :], np.s_[index, :, :])
    _, axes = plt.subplots(1, 3, figsize=(10, 3.5))
    for axis, plane in zip(axes, planes):
        axis.imshow(scan.voxels[plane].T, cmap="gray", vmin=-160, vmax=240, origin="lower")
        axis.imshow(np.ma.masked_equal(label.voxels[plane].T, 0), alpha=0.4, origin="lower")
        axis.contour(mask.voxels[plane].T, [0.5, 1.5])
        axis.axis("off")
    plt.show()

widgets.interact(draw, index=widgets.IntSlider(60, 0, 127));"""
CELLS = {
    "`show`, three planes": "show(scan, label, mask)",
    "`browse`, one plane": "browse(scan, label, mask)",
    "`interact` + matplotlib, three planes": MATPLOTLIB,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=200, help="key presses of the browser")
    parser.add_argument("--kernel-presses", type=int, default=40, help="of what asks the kernel")
    parser.add_argument("--first", type=int, default=5, help="first pictures timed of each size")
    options = parser.parse_args()
    with (
        Report(__file__, "jupyterlab") as report,
        tempfile.TemporaryDirectory() as name,
        sync_playwright() as playwright,
    ):
        folder = Path(name)
        write_cases(folder)
        for size in SIZES:
            cells = [LOAD.format(name=size), "show(scan, label, mask)"]
            write_notebook(folder / f"{size}.ipynb", cells)
        for n, code in enumerate(CELLS.values()):
            write_notebook(folder / f"cell{n}.ipynb", [LOAD.format(name="128³"), code])
        with jupyterlab(folder) as address, proxy(int(address.rsplit(":")[-1])) as delayed:
            servers = address, f"http://127.0.0.1:{delayed}"
            time_presses(report, playwright, servers, options)
            time_first_pictures(report, playwright, address, folder, options.first)


def time_presses(
    report: Report, playwright: Playwright, servers: tuple[str, str], options: argparse.Namespace
) -> None:
    """The table of milliseconds from an input to new pixels."""
    with contextlib.closing(launch(playwright)) as browser:
        report.text(f"Chromium {browser.version}, headless, drawing in software.")
    report.columns("128³, label and prediction", "median ms", "95 % ms", "n",
                   "median 120 ms away", "95 %")  # fmt: skip
    for n, name in enumerate(CELLS):
        kind, count = ("kernel", options.kernel_presses) if n else ("show", options.presses)
        values: list[str] = []
        for server in servers:
            taken = key_to_pixels(playwright, server, f"cell{n}.ipynb", kind, count)
            values += [f"{np.median(taken):.1f}", f"{np.percentile(taken, 95):.1f}"]
        report.row(name, *values[:2], count, *values[2:])


def time_first_pictures(
    report: Report, playwright: Playwright, address: str, folder: Path, repeats: int
) -> None:
    """The table of seconds to the first picture, and of the size of a cell's output."""
    median = f"first picture, s (median of {repeats})"
    report.columns("`show`", median, "output of the cell, MB")
    for size in SIZES:
        seconds = [first_picture(playwright, address, size) for _ in range(repeats)]
        report.row(size, f"{np.median(seconds):.2f}", f"{output_mb(folder, size):.2f}")


def write_cases(folder: Path) -> None:
    """A phantom at each size, with a prediction that is its label moved and smoothed."""
    scan, label = make_phantom(3)
    for name, shape in SIZES.items():
        zoom = np.array(shape) / scan.voxels.shape
        hu = ndimage.zoom(scan.voxels, zoom, order=1)
        reference = ndimage.zoom(label.voxels, zoom, order=0)
        mask = ndimage.median_filter(np.roll(reference, (3, 2, 1), (0, 1, 2)), 3)
        affine = scan.grid.affine @ np.diag([*(1 / zoom), 1])
        np.savez(folder / f"{name}.npz", scan=hu, label=reference, mask=mask, affine=affine)


@contextlib.contextmanager
def proxy(port: int) -> Iterator[int]:
    """The port of a proxy to `port` that holds every byte back for `DELAY` seconds each way."""
    own, ready, loop = free_port(), threading.Event(), asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue = asyncio.Queue()
        sending = asyncio.ensure_future(send(queue, writer))
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(65536):
                queue.put_nowait((loop.time() + DELAY, content))
            queue.put_nowait(None)
            await sending

    async def send(queue: asyncio.Queue, writer: asyncio.StreamWriter) -> None:
        while (item := await queue.get()) is not None:
            await asyncio.sleep(item[0] - loop.time())
            writer.write(item[1])
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, to_server), pump(server, writer))

    def serve() -> None:  # in a thread of its own: Playwright's loop has this one
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", own))
        ready.set()
        loop.run_forever()

    threading.Thread(target=serve, daemon=True).start()
    ready.wait()
    yield own
    loop.call_soon_threadsafe(loop.stop)


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def opened(playwright: Playwright, address: str, name: str) -> Page:
    """A page with a notebook whose first cell has run, and the kernel idle."""
    viewport = {"width": 1300, "height": 1000}
    page = launch(playwright).new_page(viewport=viewport, bypass_csp=True)
    page.add_init_script(WATCH)
    open_notebook(page, address, name)
    command(page, "notebook:run-cell-and-select-next")
    page.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]:")).first.wait_for()
    return page


def frame_of(page: Page) -> object:
    """The frame of the slice browser that the selected cell shows, once it is painted."""
    iframe = page.locator(".jp-OutputArea-output iframe")
    iframe.wait_for(timeout=60_000)
    frame = iframe.element_handle().content_frame()
    frame.wait_for_selector("main:not([hidden])", timeout=60_000)
    frame.wait_for_function("window.firstPainted !== null")
    return frame


def first_picture(playwright: Playwright, address: str, name: str) -> float:
    """Seconds from running the cell to the first picture."""
    page = opened(playwright, address, f"{name}.ipynb")
    start = page.evaluate("performance.timeOrigin + performance.now()")
    command(page, "notebook:run-cell")
    painted = frame_of(page).evaluate("firstPainted")
    page.context.browser.close()
    return (painted - start) / 1000


def key_to_pixels(
    playwright: Playwright, address: str, notebook: str, kind: str, count: int
) -> list[float]:
    """Milliseconds from each of `count` inputs to new pixels, one at a time, at uneven pauses."""
    page, rhythm = opened(playwright, address, notebook), random.Random(0)
    command(page, "notebook:run-cell")
    if kind == "show":
        frame = frame_of(page)
        frame.locator("[data-plane=axial] .frame").click()
        keys = ("PageUp", "ArrowDown")
        inputs = [lambda key=key: page.keyboard.press(key) for key in keys]
    else:  # JupyterLab takes the arrow keys from their sliders: click on the track instead
        frame = page
        page.locator(".jp-OutputArea-output img").first.wait_for()
        inputs = clicks(page)
    frame.evaluate("() => new Promise(done => setTimeout(done, 1000))")
    frame.evaluate("samples.length = 0")
    for n in range(count + 5):
        inputs[n % len(inputs)]()
        frame.wait_for_function("count => samples.length >= count", arg=n + 1)
        page.wait_for_timeout(rhythm.uniform(30, 90) if kind == "show" else 300)
    samples = frame.evaluate("samples")[5:]  # the first few warm the page up
    page.context.browser.close()
    return samples


def clicks(page: Page) -> list[Callable[[], None]]:
    """Clicks on the slider of the slices: far enough apart not to hit its handle."""
    slider = page.locator(".widget-slider", has_text=SLIDER).locator(".noUi-target")

    def click(part: float) -> None:
        track = slider.bounding_box()  # asked each time: pictures that arrive move it
        y = track["y"] + track["height"] / 2
        page.mouse.click(track["x"] + part * track["width"], y)

    return [lambda part=part: click(part) for part in (0.2, 0.5, 0.8, 0.35, 0.65)]


def output_mb(folder: Path, size: str) -> float:
    """Megabytes of what a cell with the browser leaves in its notebook."""
    stored = np.load(folder / f"{size}.npz")
    grid = Grid.of(stored["scan"].shape, stored["affine"])
    volumes = [Volume(stored[name], grid, name) for name in ("scan", "label", "mask")]
    return len(json.dumps(show(*volumes)._repr_mimebundle_())) / 1e6


if __name__ == "__main__":
    main()
