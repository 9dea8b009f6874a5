"""The slice browser's page in a real Chromium: from disk with no network, and in JupyterLab."""

import itertools

import numpy as np
import pytest
from chromium import (
    SHAPE,
    make_case,
    needs_chromium,
    opened,
    pixels,
    state,
)
from lab import command, jupyterlab, open_notebook, write_notebook
from PIL import Image

from liverlib.view.slices import HU_LEVELS, PLANES, SHOW, WINDOWS, letters, render_slice, to_levels

pytestmark = needs_chromium()

CELL = """\
import numpy as np
from liverlib.io.volume import Grid, Volume
from liverlib.view.viewer.page import show
arrays = np.load("case.npz").values()
volumes = [Volume(a, Grid.of(a.shape, np.diag([2.0, 3, 4, 1])), "case") for a in arrays]
show(*volumes, title="A case")
"""


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


def at_voxel(page, plane, voxel):
    """The position on the screen of the middle of a voxel in one of the pictures."""
    box = page.locator(f"[data-plane={plane}] .picture canvas").bounding_box()
    across, up = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[plane]
    x = 1 - (voxel[across] + 0.5) / SHAPE[across]
    y = 1 - (voxel[up] + 0.5) / SHAPE[up]
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def click_voxel(page, plane, voxel):
    page.mouse.click(*at_voxel(page, plane, voxel))


def settings_to_compare():
    """Every window with every mode, contour and convention, and every choice of classes."""
    for mode, window, contour, radiological in itertools.product(
        SHOW, WINDOWS, (False, True), (True, False)
    ):
        yield mode, WINDOWS[window], contour, radiological, (1, 2), 0.4
    for mode, contour, classes in itertools.product(SHOW, (False, True), [(), (1,), (2,)]):
        yield mode, (333, 17), contour, True, classes, 0.73


def test_the_canvas_equals_render_slice(page):
    scan, label, mask = make_case()
    levels = HU_LEVELS[to_levels(scan)]
    at = state(page)["at"]
    for mode, window, contour, radiological, classes, opacity in settings_to_compare():
        change = {
            "show": mode, "width": window[0], "level": window[1], "contour": contour,
            "radiological": radiological, "liver": 1 in classes, "tumour": 2 in classes,
            "opacity": opacity,
        }  # fmt: skip
        page.evaluate("changes => sliceBrowser.change(changes)", change)
        for plane, picture in pixels(page).items():
            expected = render_slice(
                levels, plane, at[PLANES[plane]], label=label, mask=mask, show=mode,
                window=window, contour=contour, radiological=radiological, classes=classes,
                opacity=opacity,
            )  # fmt: skip
            assert np.array_equal(picture, expected), (plane, change)


def test_a_click_goes_to_the_voxel_that_is_shown_at_it(page):
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
    pictures = [pixels(page)["axial"]]
    for mode in ("label", "mask", "difference"):
        page.select_option("#show", mode)
        pictures.append(pixels(page)["axial"])
    page.check("#contour")
    pictures.append(pixels(page)["axial"])
    page.uncheck("#tumour")
    pictures.append(pixels(page)["axial"])
    page.uncheck("#liver")
    pictures.append(pixels(page)["axial"])
    for a, b in itertools.combinations(pictures, 2):
        assert not np.array_equal(a, b)
    assert (pictures[-1].max(-1) == pictures[-1].min(-1)).all()  # grey


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


def test_the_legend_says_what_the_colours_are(page):
    legend = page.locator("#legend > span")
    page.select_option("#show", "both")
    written = [text.strip() for text in legend.all_inner_texts()]
    assert written == ["liver", "tumour", "filled: reference, line: prediction"]
    page.select_option("#show", "difference")
    written = [text.strip() for text in legend.all_inner_texts()]
    assert written == ["agreed", "missed", "extra", ""]
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


def test_the_strip_shows_what_slices_hold(page):
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
    title = page.get_by_label("axial slice").get_attribute("title")
    assert title == "The strip, from the top: liver, tumour, missed, extra"


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


def test_small_turns_of_a_touch_pad_add_up(page):
    click_voxel(page, "axial", (10, 9, 7))
    at = state(page)["at"][2]
    for _ in range(4):
        page.mouse.wheel(0, 10)
    page.wait_for_function(f"sliceBrowser.state.at[2] === {at - 1}")
