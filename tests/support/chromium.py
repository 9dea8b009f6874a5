"""A real Chromium for the tests of the slice browser, and the case that they show in it."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from liverlib.io.volume import Grid, Volume

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SHAPE = (22, 18, 14)
WIDE = {"width": 1100, "height": 900}
PIXELS = """() => Object.fromEntries(sliceBrowser.views.map(v => [v.plane, {
  rows: v.canvas.height, columns: v.canvas.width,
  bytes: [...v.context.getImageData(0, 0, v.canvas.width, v.canvas.height).data]}]))"""


def needs_chromium(where: str = "") -> pytest.MarkDecorator:
    """Skips loudly where there is no Chromium or no Playwright."""
    missing = CHROMIUM is None or importlib.util.find_spec("playwright") is None
    reason = f"THE SLICE BROWSER IS NOT TESTED{where}: no Chromium (apt install chromium)"
    return pytest.mark.skipif(missing, reason=f"{reason} or no playwright")


@contextmanager
def launched() -> Iterator:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def opened(chromium, address, **options):
    """A page from disk with the network off; a script error fails the test.

    `bypass_csp`: waiting for a condition evaluates text, which the page's own policy forbids.
    """
    settings = {"viewport": WIDE, "offline": True, "bypass_csp": True} | options
    context = chromium.new_context(**settings)
    page = context.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # The graphics driver's remarks on its own speed are no errors of the page.
    page.on(
        "console",
        lambda message: "GL Driver Message" in message.text or errors.append(message.text),
    )
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{address}")
    page.wait_for_selector("main:not([hidden])")
    yield page
    context.close()
    assert not errors
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def make_case(seed=0):
    """A scan of noise over all HU, with classes in blocks and a mask that differs everywhere."""
    random = np.random.default_rng(seed)
    scan = random.integers(-1200, 1800, SHAPE).astype(np.int16)
    label, mask = np.zeros((2, *SHAPE), np.uint8)
    label[3:18, 3:15, 2:12] = 1
    label[5:9, 5:9, 3:6] = label[13, 11, 9] = 2
    mask[5:20, 2:14, 3:13] = 1
    mask[7:11, 6:10, 4:7] = 2
    return scan, label, mask


def volumes(arrays, affine=None):
    affine = np.diag([2.0, 3, 4, 1]) if affine is None else affine
    return [Volume(a, Grid.of(a.shape, affine), "case") for a in arrays]


def state(page):
    return page.evaluate("sliceBrowser.state")


def pixels(page):
    """The pictures of the three planes as the canvases hold them now, by plane."""
    page.evaluate("sliceBrowser.draw()")
    held = page.evaluate(PIXELS)
    return {
        plane: np.array(v["bytes"], np.uint8).reshape(v["rows"], v["columns"], 4)[..., :3]
        for plane, v in held.items()
    }
