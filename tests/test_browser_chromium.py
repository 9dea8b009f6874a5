"""The page of `browser.show` in a real Chromium: from disk with no network, and on host pages."""

import html
import itertools
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from lab import command, jupyterlab, open_notebook, write_notebook
from PIL import Image

from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view.report.html import page as html_page
from liverlib.view.slices import HU_LEVELS, PLANES, SHOW, WINDOWS, letters, render_slice, to_levels
from liverlib.view.viewer import page as viewer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or sync_playwright is None,
    reason="THE SLICE BROWSER IS NOT TESTED: no Chromium (apt install chromium) or no playwright",
)

FLAGS = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SHAPE = (22, 18, 14)
OBLIQUE = np.array([[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -70], [0, 0, 0, 1.0]])
WIDE = {"width": 1100, "height": 900}

PIXELS = """() => Object.fromEntries(sliceBrowser.views.map(v => [v.plane, {
  rows: v.canvas.height, columns: v.canvas.width,
  bytes: [...v.context.getImageData(0, 0, v.canvas.width, v.canvas.height).data]}]))"""


CELL = """\
import numpy as np
from liverlib.browser import show
from liverlib.scan import Grid, Volume
arrays = np.load("case.npz").values()
volumes = [Volume(a, Grid.of(a.shape, np.diag([2.0, 3, 4, 1])), "case") for a in arrays]
viewer.show(*volumes, title="A case")
"""


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


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def opened(chromium, path, **options):
    """A page from disk with the network off; a script error fails the test.

    `bypass_csp`: waiting for a condition evaluates text, which the page's own policy forbids.
    """
    settings = {"viewport": WIDE, "offline": True, "bypass_csp": True} | options
    context = chromium.new_context(**settings)
    page = context.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{path}")
    page.wait_for_selector("main:not([hidden])")
    yield page
    context.close()
    assert not errors
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    page = viewer.show(*volumes(make_case()), title="A case")
    return page.save(tmp_path_factory.mktemp("browser") / "case.html")


class Framed:
    """A frame that is used like a page: what a frame has not is asked of the page around it."""

    def __init__(self, frame):
        self.frame = frame

    def __getattr__(self, name):
        return getattr(self.frame if hasattr(self.frame, name) else self.frame.page, name)


@pytest.fixture(scope="module")
def notebook(chromium, tmp_path_factory):
    """The frame of the same browser as that of `case_file`, shown by a cell in JupyterLab."""
    pytest.importorskip("jupyterlab", reason="THE SLICE BROWSER IS NOT TESTED IN JUPYTERLAB")
    folder = tmp_path_factory.mktemp("lab")
    np.savez(folder / "case.npz", *make_case())
    write_notebook(folder / "case.ipynb", [CELL])
    with jupyterlab(folder) as address:
        context = chromium.new_context(viewport={"width": 1500, "height": 1000}, bypass_csp=True)
        lab = context.new_page()
        open_notebook(lab, address, "case.ipynb")
        command(lab, "notebook:run-all-cells")
        iframe = lab.locator(".jp-OutputArea-output iframe")
        iframe.wait_for()
        yield iframe.element_handle()
        context.close()


@pytest.fixture(params=["file", "JupyterLab"])
def page(request, chromium, case_file):
    """The browser of a case, anew for each test: from disk with no network, and in a notebook."""
    if request.param == "file":
        with opened(chromium, case_file) as page:
            yield page
        return
    iframe = request.getfixturevalue("notebook")
    frame = iframe.content_frame()
    frame.evaluate("window.old = true")
    iframe.evaluate("frame => { frame.srcdoc = frame.srcdoc; }")
    frame.wait_for_function("!window.old && document.querySelector('main:not([hidden])')")
    iframe.scroll_into_view_if_needed()
    frame.click("h1")  # or keys would be the notebook's
    yield Framed(frame)


def state(page):
    return page.evaluate("sliceBrowser.state")


def pixels(page):
    """The pictures of the three planes as the canvases hold them now, by plane."""
    page.evaluate("sliceBrowser.draw()")
    found = page.evaluate(PIXELS)
    return {
        plane: np.array(v["bytes"], np.uint8).reshape(v["rows"], v["columns"], 4)[..., :3]
        for plane, v in found.items()
    }


def at_voxel(page, plane, voxel):
    """The place on the screen of the middle of a voxel in one of the pictures."""
    box = page.locator(f"[data-plane={plane}] .picture canvas").bounding_box()
    across, up = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[plane]
    x = 1 - (voxel[across] + 0.5) / SHAPE[across]
    y = 1 - (voxel[up] + 0.5) / SHAPE[up]
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def click_voxel(page, plane, voxel):
    page.mouse.click(*at_voxel(page, plane, voxel))


# ---- Pixels --------------------------------------------------------------------------------------


def settings_to_compare():
    """Every window with every mode, contour and convention, and every choice of classes."""
    for show, window, contour, radiological in itertools.product(
        SHOW, WINDOWS, (False, True), (True, False)
    ):
        yield show, WINDOWS[window], contour, radiological, (1, 2), 0.4
    for show, contour, classes in itertools.product(SHOW, (False, True), [(), (1,), (2,)]):
        yield show, (333, 17), contour, True, classes, 0.73


def test_the_canvas_equals_render_slice(page):
    scan, label, mask = make_case()
    levels = HU_LEVELS[to_levels(scan)]
    at = state(page)["at"]
    for show, window, contour, radiological, classes, opacity in settings_to_compare():
        change = {
            "show": show, "width": window[0], "level": window[1], "contour": contour,
            "radiological": radiological, "liver": 1 in classes, "tumour": 2 in classes,
            "opacity": opacity,
        }  # fmt: skip
        page.evaluate("changes => sliceBrowser.change(changes)", change)
        for plane, drawn in pixels(page).items():
            expected = render_slice(
                levels, plane, at[PLANES[plane]], label=label, mask=mask, show=show,
                window=window, contour=contour, radiological=radiological, classes=classes,
                opacity=opacity,
            )  # fmt: skip
            assert np.array_equal(drawn, expected), (plane, change)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "oblique"])
def test_files_of_any_orientation(chromium, tmp_path, orientation):
    """Pixels, millimetres and classes are those that Python has, however the file is stored."""
    affine = OBLIQUE if orientation == "oblique" else np.diag([2.0, 3, 4, 1])
    grid = Grid.of(SHAPE, affine, "RAS" if orientation == "oblique" else orientation)
    for name, array in zip(("scan", "label", "mask"), make_case(1), strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", array, grid)
    scan = read_scan(tmp_path / "scan.nii.gz")
    label, mask = (read_label(tmp_path / f"{n}.nii.gz", scan) for n in ("label", "mask"))
    path = viewer.show(scan, label, mask, show="label").save(tmp_path / "page.html")
    levels = HU_LEVELS[to_levels(scan.voxels)]
    words = ["background", "liver", "tumour"]
    with opened(chromium, path) as page:
        for voxel in [(7, 6, 4), (0, 0, 0), (21, 17, 13), (13, 11, 9), (18, 5, 8)]:
            page.evaluate("at => sliceBrowser.change({at})", list(voxel))
            for plane, drawn in pixels(page).items():
                expected = render_slice(levels, plane, voxel[PLANES[plane]], label=label)
                assert np.array_equal(drawn, expected), plane
            mm = scan.grid.affine[:3, :3] @ voxel + scan.grid.affine[:3, 3]
            told = page.locator("#readout").inner_text().split(" · ")
            assert told[0] == f"voxel {', '.join(map(str, voxel))}"
            assert [float(v) for v in told[1][:-3].split(", ")] == pytest.approx(mm, abs=0.051)
            assert told[3] == f"truth: {words[label.voxels[voxel]]}"
            assert told[4] == f"prediction: {words[mask.voxels[voxel]]}"
            hu, error = told[2].strip("≤≥ HU").split(" ± ") if "±" in told[2] else (None, None)
            if hu is None:
                assert not -1008 < scan.voxels[voxel] < 1608
            else:
                assert abs(int(hu) - scan.voxels[voxel]) <= float(error)


def test_a_click_goes_to_the_voxel_that_is_drawn_there(page):
    click_voxel(page, "axial", (3, 14, 5))
    assert state(page)["at"] == [3, 14, state(page)["at"][2]]
    click_voxel(page, "coronal", (20, 0, 12))
    assert state(page)["at"] == [20, 14, 12]
    click_voxel(page, "sagittal", (0, 2, 1))
    assert state(page)["at"] == [20, 2, 1]
    assert state(page)["active"] == "sagittal"
    page.click("#flip")
    page.mouse.click(*at_voxel(page, "axial", (21 - 3, 14, 5)))
    assert state(page)["at"][0] == 3


def test_pictures_have_the_proportions_of_the_patient(page):
    boxes = {
        plane: page.locator(f"[data-plane={plane}] .picture canvas").bounding_box()
        for plane in PLANES
    }
    scales = [
        boxes[plane][side] / (n * mm)
        for plane, sides in {
            "axial": [("width", 22, 2), ("height", 18, 3)],
            "coronal": [("width", 22, 2), ("height", 14, 4)],
            "sagittal": [("width", 18, 3), ("height", 14, 4)],
        }.items()
        for side, n, mm in sides
    ]
    assert max(scales) / min(scales) < 1.02  # all planes at one scale, to whole pixels


def test_the_crosshair_crosses_in_the_middle_of_its_voxel(page):
    page.evaluate("sliceBrowser.change({at: [4, 9, 6]})")
    pixels(page)
    for plane in PLANES:
        x, y = at_voxel(page, plane, (4, 9, 6))
        down = page.locator(f"[data-plane={plane}] .cross.down").bounding_box()
        across = page.locator(f"[data-plane={plane}] .cross.across").bounding_box()
        assert abs(down["x"] - x) <= 1
        assert abs(across["y"] - y) <= 1


@pytest.mark.parametrize("radiological", [True, False])
def test_letters_are_those_of_render(page, radiological):
    page.evaluate("radiological => sliceBrowser.change({radiological})", radiological)
    for plane in PLANES:
        for side, letter in letters(plane, radiological).items():
            assert page.inner_text(f"[data-plane={plane}] .side.{side}") == letter


# ---- Every control -------------------------------------------------------------------------------


def test_windows_are_chosen_typed_and_dragged(page):
    page.select_option("#window", "lung")
    assert (state(page)["width"], state(page)["level"]) == (1500, -600)
    assert page.input_value("#width") == "1500"
    page.fill("#width", "300")
    page.press("#width", "Enter")
    assert state(page)["width"] == 300
    assert page.input_value("#window") == "own"
    page.fill("#level", "50")
    page.press("#level", "Tab")
    assert state(page)["level"] == 50
    at = state(page)["at"]
    for how in ("right", "shift"):
        x, y = at_voxel(page, "axial", (10, 9, 5))
        page.mouse.move(x, y)
        if how == "shift":
            page.keyboard.down("Shift")
        page.mouse.down(button="right" if how == "right" else "left")
        page.mouse.move(x + 10, y + 5)
        page.mouse.up(button="right" if how == "right" else "left")
    page.keyboard.up("Shift")
    assert (state(page)["width"], state(page)["level"]) == (340, 30)
    assert state(page)["at"] == at
    page.fill("#width", "-5")
    page.press("#width", "Enter")
    assert state(page)["width"] == 1


def test_what_is_painted_is_chosen(page):
    drawn = [pixels(page)["axial"]]
    for show in ("label", "mask", "difference"):
        page.select_option("#show", show)
        drawn.append(pixels(page)["axial"])
    page.check("#contour")
    drawn.append(pixels(page)["axial"])
    page.uncheck("#tumour")
    drawn.append(pixels(page)["axial"])
    page.uncheck("#liver")
    drawn.append(pixels(page)["axial"])
    for a, b in itertools.combinations(drawn, 2):
        assert not np.array_equal(a, b)
    assert (drawn[-1].max(-1) == drawn[-1].min(-1)).all()  # grey


def test_opacity_is_a_slider(page):
    page.focus("#opacity")
    at = state(page)["at"]
    page.keyboard.press("ArrowRight")
    assert state(page)["opacity"] == pytest.approx(0.41)
    page.keyboard.press("Home")
    assert state(page)["opacity"] == 0
    assert state(page)["at"] == at  # the keys were the slider's
    bare = pixels(page)["axial"]
    assert (bare.max(-1) == bare.min(-1)).all()


def test_only_colours_that_are_painted_are_beside_the_classes(page):
    swatches = page.locator("label .swatch:visible")
    assert swatches.count() == 2
    page.select_option("#show", "difference")
    assert swatches.count() == 0
    page.select_option("#show", "mask")
    assert swatches.count() == 2


def test_a_narrow_page_has_its_planes_below_each_other(chromium, case_file):
    with opened(chromium, case_file, viewport={"width": 420, "height": 900}) as page:
        boxes = [page.locator(f"[data-plane={p}]").bounding_box() for p in sorted(PLANES)]
        assert all(a["y"] + a["height"] <= b["y"] for a, b in itertools.pairwise(boxes))
        assert all(box["width"] > 200 for box in boxes)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        page.set_viewport_size(WIDE)
        page.wait_for_function("!document.querySelector('.stacked')")
        boxes = [page.locator(f"[data-plane={p}]").bounding_box() for p in PLANES]
        assert len({box["y"] for box in boxes}) == 1


def test_the_legend_says_what_the_colours_are(page):
    legend = page.locator("#legend > span")
    page.select_option("#show", "both")
    told = [text.strip() for text in legend.all_inner_texts()]
    assert told == ["liver", "tumour", "filled: truth, line: prediction"]
    page.select_option("#show", "difference")
    told = [text.strip() for text in legend.all_inner_texts()]
    assert told == ["agreed", "missed", "extra", ""]
    page.select_option("#show", "mask")
    page.uncheck("#liver")
    assert [text.strip() for text in legend.all_inner_texts()] == ["tumour", "prediction"]


def test_one_plane_can_be_large(page):
    narrow = page.locator("[data-plane=coronal] canvas").first.bounding_box()["width"]
    page.select_option("#layout", "coronal")
    assert page.locator(".view:visible").count() == 1
    assert page.locator("[data-plane=coronal] canvas").first.bounding_box()["width"] > narrow
    page.keyboard.press("Tab")
    page.select_option("#layout", "three")
    assert page.locator(".view:visible").count() == 3
    page.mouse.dblclick(*at_voxel(page, "axial", (3, 3, 3)))
    assert page.locator(".view:visible").count() == 1
    page.mouse.dblclick(*at_voxel(page, "axial", (3, 3, 3)))
    assert page.locator(".view:visible").count() == 3


def test_keys_move_through_the_slices_of_the_active_plane(page):
    click_voxel(page, "coronal", (10, 9, 7))
    for key, expected in [
        ("Home", 0), ("ArrowUp", 1), ("ArrowRight", 2), ("PageUp", 12), ("ArrowDown", 11),
        ("ArrowLeft", 10), ("PageDown", 0), ("End", 17), ("ArrowUp", 17),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert state(page)["at"][1] == expected, key
    page.keyboard.press("1")
    page.keyboard.press("Home")
    assert state(page)["at"][2] == 0
    page.keyboard.press("3")
    page.keyboard.press("End")
    assert state(page)["at"] == [21, 17, 0]


def test_keys_work_wherever_the_focus_is_but_on_a_control_that_needs_them(page):
    page.click("#flip")
    at = state(page)["at"][2]
    page.keyboard.press("ArrowUp")
    assert state(page)["at"][2] == at + 1
    page.keyboard.press("Space")  # presses the button that has the focus
    assert state(page)["radiological"] is True
    assert state(page)["playing"] is False
    page.focus("#show")
    page.keyboard.press("ArrowUp")
    assert state(page)["at"][2] == at + 1
    page.keyboard.press("Control+]")
    assert state(page)["at"][2] == at + 1


def test_keys_and_buttons_go_to_tumours(page):
    page.select_option("#show", "label")
    click_voxel(page, "axial", (10, 9, 7))
    page.keyboard.press("Home")
    for key, expected in [("]", 3), ("]", 4), ("End", 13), ("[", 9), ("[", 5), ("Home", 0)]:
        page.keyboard.press(key)
        assert state(page)["at"][2] == expected, key
    page.keyboard.press("l")
    assert state(page)["at"][2] == 3
    assert make_case()[1][tuple(state(page)["at"])] == 2
    page.click("#next")
    assert state(page)["at"][2] == 4
    page.click("#previous")
    assert state(page)["at"][2] == 3
    page.select_option("#show", "mask")
    page.click("#largest")
    assert make_case()[2][tuple(state(page)["at"])] == 2
    assert state(page)["at"][2] == 4


def test_space_plays_and_stops(page):
    click_voxel(page, "sagittal", (10, 9, 7))
    page.keyboard.press("Space")
    page.wait_for_function("sliceBrowser.state.at[0] === 13")
    page.wait_for_function("sliceBrowser.state.at[0] === 2")  # round the end
    assert page.get_attribute("#play", "aria-pressed") == "true"
    assert page.get_attribute("#readout", "aria-live") == "off"  # or it would be read out for ever
    page.keyboard.press("Space")
    assert page.get_attribute("#readout", "aria-live") == "polite"
    stopped = state(page)["at"]
    page.evaluate("() => new Promise(done => setTimeout(done, 200))")
    assert state(page)["at"] == stopped
    page.click("#play")
    page.wait_for_function(f"sliceBrowser.state.at[0] !== {stopped[0]}")
    page.keyboard.press("Escape")
    assert state(page)["playing"] is False


def test_letters_switch_crosshair_and_paint(page):
    click_voxel(page, "axial", (10, 9, 7))
    page.keyboard.press("c")
    assert page.locator(".cross:visible").count() == 0
    page.click("#cross")
    assert page.locator(".cross:visible").count() == 6
    page.keyboard.press("o")
    bare = pixels(page)["axial"]
    assert (bare.max(-1) == bare.min(-1)).all()
    page.keyboard.press("o")
    assert not np.array_equal(pixels(page)["axial"], bare)
    page.click("#smooth")
    style = "getComputedStyle(sliceBrowser.views[0].canvas).imageRendering"
    assert page.evaluate(style) == "pixelated"


def test_sliders_move_their_plane_and_are_described(page):
    slider = page.get_by_label("coronal slice")
    slider.fill("6")
    assert state(page)["at"][1] == 6
    page.evaluate("sliceBrowser.draw()")
    assert slider.get_attribute("aria-valuetext") == ("slice 7 of 18: liver, tumour, missed, extra")
    slider.fill("17")
    page.evaluate("sliceBrowser.draw()")
    assert slider.get_attribute("aria-valuetext") == "slice 18 of 18"


def test_the_strip_shows_where_things_are(page):
    label, mask = (a.transpose(2, 0, 1).reshape(14, -1) for a in make_case()[1:])
    expected = [
        (label == 1).any(1), (label == 2).any(1), (mask < label).any(1), (mask > label).any(1)
    ]  # fmt: skip
    alpha = page.evaluate("""() => {
      const strip = sliceBrowser.views[0].strip;
      return [...strip.getContext("2d").getImageData(0, 0, strip.width, strip.height).data];
    }""")
    bands = np.array(alpha).reshape(4, 14, 4)[..., 3] > 0
    assert np.array_equal(bands, expected)
    told = page.get_by_label("axial slice").get_attribute("title")
    assert told == "Where there is, from the top: liver, tumour, missed, extra"


def test_a_click_on_a_lesion_jumps_there(page):
    buttons = page.locator("#lesions button")
    assert buttons.all_inner_texts() == ["1", "2"]
    assert page.locator("#lesions tbody tr").first.inner_text().split() == ["1", "1.2", "13", "25%"]
    buttons.nth(1).click()
    assert state(page)["at"] == [13, 11, 9]
    buttons.nth(0).focus()
    page.keyboard.press("Enter")
    assert make_case()[1][tuple(state(page)["at"])] == 2


def test_the_view_is_saved_as_png(page, tmp_path):
    with page.expect_download() as waiting:
        page.click("#save")
    assert waiting.value.suggested_filename == "A_case.png"
    waiting.value.save_as(tmp_path / "view.png")
    picture = Image.open(tmp_path / "view.png")
    box = page.locator("#views").bounding_box()
    assert picture.width > 1.2 * box["width"]
    colours = np.array(picture.convert("RGB")).reshape(-1, 3)
    assert (colours == (86, 180, 233)).all(1).any()  # the legend
    assert len(np.unique(colours, axis=0)) > 1000  # the slices


def test_a_saved_view_is_wide_enough_for_its_words(chromium, tmp_path):
    shown = viewer.show(*volumes(make_case()), title="a very long name of a case " * 9)
    narrow = {"width": 330, "height": 900}
    with opened(chromium, shown.save(tmp_path / "page.html"), viewport=narrow) as page:
        page.evaluate("sliceBrowser.draw()")
        with page.expect_download() as waiting:
            page.click("#save")
        waiting.value.save_as(tmp_path / "view.png")
    caption = np.array(Image.open(tmp_path / "view.png").convert("L"))[-132:]  # at twice the size
    written = (caption > 60).any(0)
    assert written[12:].any()
    assert not written[-12:].any()


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page):
    unnamed = page.evaluate("""() => [...document.querySelectorAll(
        "button, select, input, canvas[role=img], section")]
      .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.title ||
                     e.closest("label")?.textContent.trim()))
      .map(e => e.outerHTML)""")
    assert unnamed == []
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"layout", "window", "show", "opacity", "save", "largest", "play", "INPUT"} <= reached


def test_it_follows_the_systems_theme(chromium, case_file):
    for scheme in ("light", "dark"):
        with opened(chromium, case_file, color_scheme=scheme) as page:
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 27)"}[scheme]


# ---- Other cases ---------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [(), ("label",), ("mask",)])
def test_less_than_everything_is_shown(chromium, tmp_path, given):
    scan, label, _ = volumes(make_case())
    path = viewer.show(scan, **dict.fromkeys(given, label)).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        assert page.locator("#show option").count() == len(given)
        assert page.locator(".painted:visible").count() == (5 if given else 0)
        assert page.is_disabled("#next") == (not given)
        expected = {"label": "truth: tumour", "mask": "prediction: tumour"}
        told = page.inner_text("#readout").split(" · ")[3:]
        assert told == [expected[name] for name in given]
        page.select_option("#window", "bone")
        levels = HU_LEVELS[to_levels(scan.voxels)]
        index = state(page)["at"][2]
        options = dict.fromkeys(given, label) | {"show": given[0] if given else "label"}
        drawn = render_slice(levels, "axial", index, window="bone", **options)
        assert np.array_equal(pixels(page)["axial"], drawn)


@pytest.mark.parametrize("value", [-1024, 40])
def test_air_alone_and_a_constant_are_shown(chromium, tmp_path, value):
    scan = np.full((6, 5, 4), value, np.int16)
    path = viewer.show(*volumes([scan])).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        expected = render_slice(HU_LEVELS[to_levels(scan)], "axial", 2)
        assert np.array_equal(pixels(page)["axial"], expected)


def test_a_crop_tells_the_voxels_of_the_scan(chromium, tmp_path):
    scan, label, mask = make_case()
    label[:12] = mask[:12] = 0
    path = viewer.show(*volumes([scan, label, mask]), around="liver").save(tmp_path / "p.html")
    with opened(chromium, path) as page:
        page.locator("#lesions button").first.click()
        page.evaluate("sliceBrowser.draw()")
        told = page.inner_text("#readout")
        assert told.startswith("voxel 13, 11, 9 · 26.0, 33.0, 36.0 mm")
        assert "truth: tumour" in told
        assert "cropped to 15 × 18 × 14 around the liver" in page.inner_text("#note")


def test_a_volume_brought_down_tells_the_voxels_of_the_scan(chromium, tmp_path):
    """Of a block of voxels it tells the first one's index, and where the block's middle lies."""
    path = viewer.show(*volumes(make_case()), size=9).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        page.evaluate("sliceBrowser.change({at: [2, 4, 3]})")
        page.evaluate("sliceBrowser.draw()")
        assert page.inner_text("#readout").startswith("voxel 6, 8, 6 · 14.0, 25.5, 26.0 mm")
        assert "averaged over 3 × 2 × 2" in page.inner_text("#note")


def test_unknown_spacing_is_said(chromium, tmp_path):
    path = viewer.show(*volumes(make_case(), np.eye(4))).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        assert "mm unknown" in page.inner_text("#readout")
        assert "unknown" in page.inner_text("#lesions tbody tr >> nth=0")


def test_a_hostile_name_does_not_run(chromium, tmp_path):
    name = "\"'><img src=x onerror='window.bad = 1'></script><script>window.bad = 1</script>"
    scan, label, _ = volumes(make_case())
    page_ = viewer.show(scan, label, title=name)
    with opened(chromium, page_.save(tmp_path / "page.html")) as page:
        assert page.inner_text("h1") == name
        assert page.title() == name
        assert page.evaluate("window.bad") is None
        assert page.locator("img").count() == 0
        with page.expect_download() as waiting:
            page.click("#save")
        assert set("<>\"'/") & set(waiting.value.suggested_filename) == set()
    context, host, (frame,) = host_page(chromium, [page_])
    assert frame.inner_text("h1") == name
    assert host.evaluate("window.bad") is None
    context.close()


def test_no_script_runs_but_the_pages_own(chromium, case_file):
    """What the policy in the page is for: even markup that got in could not run."""
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto(f"file://{case_file}")
    page.wait_for_selector("main:not([hidden])")
    page.evaluate("""() => {
      document.body.append(document.createRange().createContextualFragment(
        "<script>window.bad = 1</script>"));
    }""")
    assert page.evaluate("window.bad") is None
    context.close()


def test_a_browser_that_cannot_unpack_says_so(chromium, case_file):
    context = chromium.new_context(offline=True)
    context.add_init_script("delete window.DecompressionStream")
    page = context.new_page()
    page.goto(f"file://{case_file}")
    page.wait_for_selector("#message:not([hidden])")
    assert "cannot be shown" in page.inner_text("#message")
    context.close()


def test_without_scripts_the_picture_is_there(chromium, case_file):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f"file://{case_file}")
    assert page.locator("noscript img").count() == 1
    assert page.locator("noscript img").bounding_box()["height"] == 320
    context.close()


# ---- On a host page ------------------------------------------------------------------------------


def host_page(chromium, pages, style="", **options):
    """A tall page that holds browsers as a notebook does, and counts the keys that reach it."""
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True, **options)
    host = context.new_page()
    body = "".join(page._repr_html_() for page in pages)
    host.set_content(
        f"<style>{style}</style><body>{body}<div style='height: 3000px'></div>"
        "<script>window.keys = 0; addEventListener('keydown', () => keys++)</script>"
    )
    frames = host.frames[1:]
    for frame in frames:
        frame.wait_for_selector("main:not([hidden])")
    return context, host, frames


def test_ten_browsers_on_a_page_mind_their_own_business(chromium):
    """Each draws when its own keys are pressed; the others do not draw a single slice."""
    pages = [viewer.show(*volumes(make_case(seed))) for seed in range(10)]
    context, host, frames = host_page(chromium, pages)
    for frame in frames:
        frame.evaluate("""() => {
          window.drawn = 0;
          const put = CanvasRenderingContext2D.prototype.putImageData;
          CanvasRenderingContext2D.prototype.putImageData = function (...args) {
            window.drawn++; put.apply(this, args); };
        }""")
    frame = frames[6]
    before = [f.evaluate("sliceBrowser.state.at") for f in frames]
    frame.locator("[data-plane=axial] .frame").scroll_into_view_if_needed()
    frame.locator("[data-plane=axial] .frame").click(position={"x": 40, "y": 40})
    host.keyboard.press("Home")
    host.keyboard.press("ArrowUp")
    frame.wait_for_function("sliceBrowser.state.at[2] === 1 && drawn >= 3")
    assert [f.evaluate("drawn") for f in frames if f is not frame] == [0] * 9
    after = [f.evaluate("sliceBrowser.state.at") for f in frames]
    assert [a == b for a, b in zip(before, after, strict=True)] == [i != 6 for i in range(10)]
    assert host.evaluate("keys") == 0
    context.close()


def test_the_frame_is_as_high_as_what_it_holds(chromium):
    context, host, (frame,) = host_page(chromium, [viewer.show(*volumes(make_case()))])
    host.wait_for_function("document.querySelector('iframe').style.height !== '560px'")
    inner = frame.evaluate("document.documentElement.scrollHeight")
    assert abs(host.locator("iframe").bounding_box()["height"] - inner) <= 2
    context.close()


def test_the_wheel_is_the_hosts_until_a_click_and_after_escape(chromium):
    context, host, (frame,) = host_page(chromium, [viewer.show(*volumes(make_case()))])
    frame.locator("[data-plane=axial] .frame").hover()
    host.mouse.wheel(0, 100)
    host.wait_for_function("scrollY === 100")
    host.evaluate("scrollTo(0, 0)")
    host.wait_for_function("scrollY === 0")
    frame.locator("[data-plane=axial] .frame").click()
    at = frame.evaluate("sliceBrowser.state.at[2]")
    host.mouse.wheel(0, 100)
    frame.wait_for_function(f"sliceBrowser.state.at[2] === {at - 1}")
    host.mouse.wheel(0, -120)
    frame.wait_for_function(f"sliceBrowser.state.at[2] === {at}")
    assert host.evaluate("scrollY") == 0
    host.keyboard.press("Escape")
    host.mouse.wheel(0, 100)
    host.wait_for_function("scrollY === 100")
    assert frame.evaluate("sliceBrowser.state.at[2]") == at
    context.close()


def test_small_turns_of_a_touch_pad_add_up(page):
    click_voxel(page, "axial", (10, 9, 7))
    at = state(page)["at"][2]
    for _ in range(4):
        page.mouse.wheel(0, 10)
    page.wait_for_function(f"sliceBrowser.state.at[2] === {at - 1}")


def test_it_follows_the_hosts_theme(chromium):
    style = "body { background: white } body.night { background: #111 }"
    context, host, (frame,) = host_page(chromium, [viewer.show(*volumes(make_case()))], style)
    assert frame.evaluate("document.documentElement.dataset.theme") == "light"
    host.evaluate("document.body.className = 'night'")
    frame.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    host.evaluate("document.body.className = ''")
    frame.wait_for_function("document.documentElement.dataset.theme === 'light'")
    context.close()


@pytest.mark.parametrize(
    ("style", "theme"), [("", "light"), (":root { color-scheme: light dark }", "dark")]
)
def test_on_a_host_without_colours_it_is_dark_only_where_the_host_is(chromium, style, theme):
    pages = [viewer.show(*volumes(make_case()))]
    context, _, (frame,) = host_page(chromium, pages, style, color_scheme="dark")
    assert frame.evaluate("document.documentElement.dataset.theme") == theme
    context.close()


def test_a_host_may_keep_it_apart(chromium):
    """In a sandbox, which hides the host's theme and height, it works all the same."""
    shown = viewer.show(*volumes(make_case()))
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True)
    host = context.new_page()
    host.set_content(shown._repr_html_().replace("<iframe", '<iframe sandbox="allow-scripts"'))
    frame = host.frames[1]
    frame.wait_for_selector("main:not([hidden])")
    frame.locator("[data-plane=axial] .frame").click()
    host.keyboard.press("Home")
    frame.wait_for_function("sliceBrowser.state.at[2] === 0")
    assert host.locator("iframe").bounding_box()["height"] == 560
    context.close()


def test_in_a_report_it_scrolls_with_no_network(chromium, tmp_path):
    shown = viewer.show(*volumes(make_case()))
    (tmp_path / "report.html").write_text(html_page("A run", shown._repr_html_()), "utf-8")
    scrolls_offline(chromium, tmp_path / "report.html")


def test_in_an_exported_notebook_it_scrolls_with_no_network(chromium, tmp_path):
    export = pytest.importorskip("nbconvert", reason="NO NBCONVERT: EXPORTED NOTEBOOKS UNTESTED")
    bundle = viewer.show(*volumes(make_case()))._repr_mimebundle_()
    output = {"output_type": "display_data", "metadata": {}, "data": bundle}
    path = write_notebook(tmp_path / "notebook.ipynb", ["viewer.show(scan)"], [output])
    text, _ = export.HTMLExporter().from_filename(str(path))
    (tmp_path / "exported.html").write_text(text, "utf-8")
    scrolls_offline(chromium, tmp_path / "exported.html")


def scrolls_offline(chromium, path):
    """Asserts that the browser in a page from disk goes through its slices."""
    context = chromium.new_context(viewport=WIDE, offline=True, bypass_csp=True)
    host = context.new_page()
    host.goto(f"file://{path}", wait_until="commit")
    frame = host.locator("iframe").element_handle().content_frame()
    frame.wait_for_selector("main:not([hidden])")
    frame.locator("[data-plane=axial] .frame").click()
    before = pixels(frame)["axial"]
    for key in ("Home", "ArrowUp"):
        host.keyboard.press(key)
    frame.wait_for_function("sliceBrowser.state.at[2] === 1")
    assert not np.array_equal(pixels(frame)["axial"], before)
    context.close()


def test_the_title_of_a_frame_is_its_name(chromium):
    shown = viewer.show(*volumes(make_case()), title="<i>A</i>")
    context, host, _ = host_page(chromium, [shown])
    assert host.get_attribute("iframe", "title") == "<i>A</i>"
    assert html.escape("<i>A</i>") in shown._repr_html_()
    context.close()


def test_the_picture_for_untrusted_places_is_a_png(chromium):
    bundle = viewer.show(*volumes(make_case()))._repr_mimebundle_()
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.set_content(f'<img src="data:image/png;base64,{bundle["image/png"]}">')
    page.wait_for_function("document.querySelector('img').naturalHeight === 320")
    context.close()
