"""How fast the slice browser is: from a key press to new pixels, in a real JupyterLab and Chromium.

Prints a table in Markdown: the page of `browser.show`, `browser.browse` and ipywidgets' `interact`
with matplotlib, directly and through a proxy that holds everything back by 60 ms each way, as far
kernels do. Needs Debian's chromium, jupyterlab and playwright: `python benchmarks/browser.py`.
"""

import argparse
import asyncio
import contextlib
import json
import platform
import random
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright
from scipy import ndimage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # for the JupyterLab that the tests start

from lab import command, free_port, jupyterlab, open_notebook, write_notebook  # noqa: E402

from liverlib.io.volume import Grid, Volume
from liverlib.synthesis.phantom.phantom import make_phantom
from liverlib.view.viewer.page import show

SIZES = {"128³": (128, 128, 128), "256×256×200": (256, 256, 200)}
DELAY = 0.06  # seconds each way
SLIDER = re.compile("slice|index")  # what the sliders that move through slices are called

LOAD = """\
import numpy as np
from liverlib.browser import browse, show
from liverlib.scan import Grid, Volume
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
WAYS = {
    "`browser.show`, three planes": "show(scan, label, mask)",
    "`browser.browse`, one plane": "browse(scan, label, mask)",
    "`interact` + matplotlib, three planes": MATPLOTLIB,
}

# Runs in every frame before anything else. A sample is the time from the input's own time stamp
# to the end of the frame that shows what came of it (a message posted while drawing is delivered
# after it). For pictures made by the kernel, that is the frame after the new image was decoded.
WATCH = """
window.samples = [];
window.firstDrawn = null;
let pressed = null;
for (const kind of ["keydown", "pointerdown"]) {
  addEventListener(kind, (event) => { pressed = event.timeStamp; }, true);
}
function shown() {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    window.firstDrawn ??= performance.timeOrigin + performance.now();
    if (pressed === null) return;
    samples.push(performance.now() - pressed);
    pressed = null;
  };
  channel.port2.postMessage(null);
}
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...args) {
  put.apply(this, args);
  shown();
};
new MutationObserver((changes) => {
  for (const change of changes) {
    const added = [...change.addedNodes].filter((node) => node.querySelectorAll);
    const inside = added.flatMap((node) => [node, ...node.querySelectorAll("img")]);
    for (const image of change.type === "attributes" ? [change.target] : inside) {
      if (image.tagName === "IMG" && image.closest(".jp-OutputArea")) {
        image.decode().then(() => requestAnimationFrame(shown), () => {});
      }
    }
  }
}).observe(document, { subtree: true, childList: true, attributeFilter: ["src"] });
"""


def write_cases(folder: Path) -> None:
    """A phantom at each size, with a prediction that is its label moved and smoothed."""
    scan, label = make_phantom(3)
    for name, shape in SIZES.items():
        zoom = np.array(shape) / scan.voxels.shape
        hu = ndimage.zoom(scan.voxels, zoom, order=1)
        truth = ndimage.zoom(label.voxels, zoom, order=0)
        found = ndimage.median_filter(np.roll(truth, (3, 2, 1), (0, 1, 2)), 3)
        affine = scan.grid.affine @ np.diag([*(1 / zoom), 1])
        np.savez(folder / f"{name}.npz", scan=hu, label=truth, mask=found, affine=affine)


@contextlib.contextmanager
def proxy(port: int):
    """The port of a proxy to `port` that holds every byte back for `DELAY` seconds each way."""
    own, ready, loop = free_port(), threading.Event(), asyncio.new_event_loop()

    async def pump(reader, writer):
        queue = asyncio.Queue()
        sending = asyncio.ensure_future(send(queue, writer))
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(65536):
                queue.put_nowait((loop.time() + DELAY, content))
            queue.put_nowait(None)
            await sending

    async def send(queue, writer):
        while (item := await queue.get()) is not None:
            await asyncio.sleep(item[0] - loop.time())
            writer.write(item[1])
            await writer.drain()
        writer.close()

    async def connect(reader, writer):
        there, to_there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, to_there), pump(there, writer))

    def serve():  # in a thread of its own: Playwright's loop has this one
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", own))
        ready.set()
        loop.run_forever()

    threading.Thread(target=serve, daemon=True).start()
    ready.wait()
    yield own
    loop.call_soon_threadsafe(loop.stop)


def opened(playwright, address: str, name: str):
    """A page with a notebook whose first cell has run, and the kernel idle."""
    running = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox"]
    )
    page = running.new_page(viewport={"width": 1300, "height": 1000}, bypass_csp=True)
    page.add_init_script(WATCH)
    open_notebook(page, address, name)
    command(page, "notebook:run-cell-and-select-next")
    page.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]:")).first.wait_for()
    return page


def frame_of(page):
    """The frame of the slice browser that the selected cell shows, once it has drawn."""
    iframe = page.locator(".jp-OutputArea-output iframe")
    iframe.wait_for(timeout=60_000)
    frame = iframe.element_handle().content_frame()
    frame.wait_for_selector("main:not([hidden])", timeout=60_000)
    frame.wait_for_function("window.firstDrawn !== null")
    return frame


def first_picture(playwright, address: str, name: str) -> float:
    """Seconds from running the cell to the first picture drawn."""
    page = opened(playwright, address, f"{name}.ipynb")
    start = page.evaluate("performance.timeOrigin + performance.now()")
    command(page, "notebook:run-cell")
    drawn = frame_of(page).evaluate("firstDrawn")
    page.context.browser.close()
    return (drawn - start) / 1000


def presses(page, frame, way: str, count: int) -> list[float]:
    """Milliseconds from each of `count` inputs to new pixels, one at a time, at uneven pauses."""
    rhythm = random.Random(0)
    if way == "show":
        frame.locator("[data-plane=axial] .frame").click()
        press = [lambda: page.keyboard.press("PageUp"), lambda: page.keyboard.press("ArrowDown")]
    else:  # JupyterLab takes the arrow keys from their sliders: click on the track instead
        frame = page
        page.locator(".jp-OutputArea-output img").first.wait_for()
        press = clicks(page)
    frame.evaluate("() => new Promise(done => setTimeout(done, 1000))")
    frame.evaluate("samples.length = 0")
    for i in range(count + 5):
        press[i % len(press)]()
        frame.wait_for_function("count => samples.length >= count", arg=i + 1)
        page.wait_for_timeout(rhythm.uniform(30, 90) if way == "show" else 300)
    return frame.evaluate("samples")[5:]  # the first few warm the page up


def clicks(page) -> list:
    """Clicks on the slider of the slices: far enough apart not to hit its handle."""
    slider = page.locator(".widget-slider", has_text=SLIDER).locator(".noUi-target")

    def click(share):
        track = slider.bounding_box()  # asked each time: pictures that arrive move it
        y = track["y"] + track["height"] / 2
        page.mouse.click(track["x"] + share * track["width"], y)

    return [lambda share=share: click(share) for share in (0.2, 0.5, 0.8, 0.35, 0.65)]


def key_to_pixels(playwright, address: str, notebook: str, way: str, count: int) -> list[float]:
    page = opened(playwright, address, notebook)
    command(page, "notebook:run-cell")
    frame = frame_of(page) if way == "show" else None
    samples = presses(page, frame, way, count)
    page.context.browser.close()
    return samples


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}, {platform.system()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=200, help="key presses of the browser")
    parser.add_argument("--kernel-presses", type=int, default=40, help="of what asks the kernel")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_cases(folder)
        for size in SIZES:
            write_notebook(
                folder / f"{size}.ipynb", [LOAD.format(name=size), "show(scan, label, mask)"]
            )
        for i, code in enumerate(WAYS.values()):
            write_notebook(folder / f"way{i}.ipynb", [LOAD.format(name="128³"), code])
        with jupyterlab(folder) as address, proxy(int(address.rsplit(":")[-1])) as far:
            report(playwright, folder, address, f"http://127.0.0.1:{far}", options)


def report(playwright, folder: Path, address: str, far: str, options) -> None:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox"]
    )
    print(f"{machine()}; Chromium {browser.version}, headless, drawing in software.\n")
    browser.close()
    print("| 128³, truth and prediction | median ms | 95 % ms | n | median 120 ms away | 95 % |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for i, way in enumerate(WAYS):
        kind = "show" if i == 0 else "kernel"
        count = options.presses if i == 0 else options.kernel_presses
        cells = []
        for server in (address, far):
            taken = key_to_pixels(playwright, server, f"way{i}.ipynb", kind, count)
            cells += [f"{np.median(taken):.1f}", f"{np.percentile(taken, 95):.1f}"]
        print(
            f"| {way} | {cells[0]} | {cells[1]} | {count} | {cells[2]} | {cells[3]} |", flush=True
        )
    print("\n| `browser.show` | first picture, s (median of 5) | output of the cell, MB |")
    print("| --- | --- | --- |")
    for size in SIZES:
        seconds = np.median([first_picture(playwright, address, size) for _ in range(5)])
        print(f"| {size} | {seconds:.2f} | {output_size(folder, size):.2f} |", flush=True)


def output_size(folder: Path, size: str) -> float:
    """Megabytes of what a cell with the browser leaves in its notebook."""
    stored = np.load(folder / f"{size}.npz")
    grid = Grid.of(stored["scan"].shape, stored["affine"])
    volumes = [Volume(stored[name], grid, name) for name in ("scan", "label", "mask")]
    return len(json.dumps(show(*volumes)._repr_mimebundle_())) / 1e6


if __name__ == "__main__":
    main()
