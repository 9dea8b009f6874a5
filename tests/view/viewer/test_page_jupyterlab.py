"""The slice browser in a real JupyterLab with a real kernel, in a real Chromium."""

import numpy as np
import pytest
from chromium import launched, needs_chromium
from edit_twin import stroke, table
from lab import command, jupyterlab, open_notebook, write_notebook

from liverlib.io.volume import Grid, Volume
from liverlib.view.slices import HU_LEVELS, png, render_slice, to_levels
from liverlib.view.viewer.page import show
from liverlib.view.viewer.scan_grid import received_mask

pytestmark = needs_chromium(" IN JUPYTERLAB")

MAKE = """\
import numpy as np
from liverlib.io.volume import Grid, Volume
random = np.random.default_rng(0)
scan = random.integers(-1200, 1800, (22, 18, 14)).astype(np.int16)
label = np.zeros(scan.shape, np.uint8)
label[3:18, 3:15, 2:12] = 1
label[5:9, 5:9, 3:6] = 2
grid = Grid.of(scan.shape, np.diag([2.0, 3, 4, 1]))
scan, label = Volume(scan, grid, "case"), Volume(label, grid, "case")
"""
CELLS = [MAKE, "from liverlib.view.viewer.page import show\nshow(scan, label)", "'a cell below'"]

EDITS = [
    "from liverlib.view.viewer.page import edit\neditor = edit(scan, label)\neditor",
    "np.save('mask.npy', editor.mask.voxels)",
]


def make_case():
    names = {"np": np, "Grid": Grid, "Volume": Volume}
    exec(MAKE, names)
    return names["scan"], names["label"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a notebook to run, and one with its output kept that nobody has trusted."""
    pytest.importorskip("jupyterlab", reason="THE SLICE BROWSER IS NOT TESTED IN JUPYTERLAB")
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "run.ipynb", CELLS)
    widgets = ["from liverlib.view.viewer.page import browse\nbox = browse(scan, label)", "box"]
    write_notebook(folder / "widgets.ipynb", [MAKE, *widgets])
    write_notebook(folder / "edit.ipynb", [MAKE, *EDITS])
    bundle = show(*make_case())._repr_mimebundle_()
    output = {"output_type": "display_data", "metadata": {}, "data": bundle}
    write_notebook(folder / "untrusted.ipynb", CELLS[:2], [output])
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with jupyterlab(folder) as address:
        yield address


@pytest.fixture
def page(address):
    with launched() as chromium:
        yield chromium.new_page(viewport={"width": 1300, "height": 1000}, bypass_csp=True)


def test_in_a_notebook_that_was_run(page, address):
    open_notebook(page, address, "run.ipynb")
    command(page, "notebook:run-all-cells")
    iframe = page.locator(".jp-OutputArea-output iframe")
    iframe.wait_for()
    frame = iframe.element_handle().content_frame()
    frame.wait_for_selector("main:not([hidden])")
    scan, label = make_case()

    # A click and keys move through the slices, and the pixels are those that NumPy makes.
    frame.locator("[data-plane=axial] .frame").click()
    for key in ("Home", "PageUp", "ArrowUp", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    frame.wait_for_function("sliceBrowser.state.at[2] === 9")
    painted = frame.evaluate("""() => {
      sliceBrowser.draw();
      const canvas = sliceBrowser.views[0].canvas;
      return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
    }""")
    expected = render_slice(HU_LEVELS[to_levels(scan.voxels)], "axial", 9, label=label)
    assert np.array_equal(np.reshape(painted, (18, 22, 4))[..., :3], expected)

    # Keys that cut, delete, add and run cells in JupyterLab do nothing there.
    for key in ("x", "d", "d", "a", "b", "m", "z", "Shift+Enter", "Escape"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 3
    assert page.locator(".jp-Notebook .jp-MarkdownCell").count() == 0
    page.locator(".jp-InputPrompt").first.click()  # the same key outside of the frame does
    page.keyboard.press("b")
    page.locator(".jp-Notebook .jp-CodeCell").nth(3).wait_for()

    # Themes are followed without running anything again.
    assert frame.evaluate("document.documentElement.dataset.theme") == "light"
    command(page, "apputils:change-theme", theme="JupyterLab Dark")
    frame.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    command(page, "apputils:change-theme", theme="JupyterLab Light")
    frame.wait_for_function("document.documentElement.dataset.theme === 'light'")


def test_the_widgets_ask_python_for_every_picture(page, address):
    open_notebook(page, address, "widgets.ipynb")
    command(page, "notebook:run-all-cells")
    picture = page.locator(".jp-OutputArea-output img")
    picture.wait_for()
    before = picture.get_attribute("src")
    page.locator(".jp-OutputArea-output button", has_text="tumour ▶").click()
    changed = "was => document.querySelector('.jp-OutputArea-output img').src !== was"
    page.wait_for_function(changed, arg=before)
    scan, label = make_case()
    expected = png(render_slice(scan, "axial", 4, label=label), 1.5, 400)
    shown = page.evaluate("""async () => {
      const image = document.querySelector(".jp-OutputArea-output img");
      return [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())];
    }""")
    assert bytes(shown) == expected


def test_what_is_painted_comes_back_to_the_kernel(page, address, folder):
    """By mouse, then undone in part; and a second view of the same editor goes on from there."""
    open_notebook(page, address, "edit.ipynb")
    command(page, "notebook:run-all-cells")
    iframe = page.locator(".jp-OutputArea-output iframe")
    iframe.wait_for()
    frame = iframe.element_handle().content_frame()
    frame.wait_for_selector("#tools:not([hidden])")
    scan, label = make_case()
    frame.evaluate(
        "sliceBrowser.change({ at: [11, 9, 7], tool: 'brush', of: 'tumour', radius: 5 })"
    )
    frame.locator("[data-plane=axial] .picture canvas").click()
    frame.locator("[data-plane=coronal] .picture canvas").click()
    frame.wait_for_function("sliceBrowser.session.edit.done === 2")
    page.keyboard.press("Control+z")
    at = frame.evaluate("sliceBrowser.state.at")
    expected = stroke(label.voxels, scan.grid.affine, [[*at[:2], 7]], 5, "axial", table("tumour"))
    text = page.locator(".liverlib-editor textarea")
    page.wait_for_function("document.querySelector('.liverlib-editor textarea').value")
    shown = mask_of(frame)
    for _ in range(100):  # until the last step was sent, too
        if np.array_equal(received_mask(text.input_value(), scan.grid, "case").voxels, shown):
            break
        page.wait_for_timeout(50)
    command(page, "notebook:run-cell")
    kernel = folder / "mask.npy"
    page.wait_for_function("document.querySelectorAll('.jp-InputPrompt')[2].innerText === '[4]:'")
    assert np.array_equal(np.load(kernel), shown)
    assert np.array_equal(shown, expected)

    # The same output again: its page takes up what was painted.
    frame.evaluate("window.old = true")
    iframe.evaluate("frame => { frame.srcdoc = frame.srcdoc; }")
    frame.wait_for_function("!window.old && document.querySelector('#tools:not([hidden])')")
    assert np.array_equal(mask_of(frame), expected)


def mask_of(frame):
    """The mask as it is in the page."""
    pairs = frame.evaluate("[...sliceBrowser.volume.pairs]")
    return (np.array(pairs, np.uint8) >> 2).reshape(22, 18, 14, order="F")


def test_in_an_untrusted_notebook_the_picture_is_still_there(page, address):
    open_notebook(page, address, "untrusted.ipynb")
    picture = page.locator(".jp-OutputArea-output img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalHeight)") == 320
    assert page.locator(".jp-OutputArea-output iframe").count() == 0
