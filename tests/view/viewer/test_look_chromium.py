"""Zoom, pan, ruler, ellipse, slab and touch, in a real Chromium."""

import numpy as np
import pytest
from chromium import (
    SHAPE,
    make_case,
    needs_chromium,
    opened,
    pixels,
    state,
    volumes,
)

from liverlib.core.errors import LiverlibError
from liverlib.view.slices import HU_LEVELS, PLANES, render_slice, to_levels
from liverlib.view.viewer.page import show

pytestmark = needs_chromium()

SLANTED = np.array([[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -70], [0, 0, 0, 1.0]])
AXES = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    page = show(*volumes(make_case(), SLANTED), title="A case")
    return page.save(tmp_path_factory.mktemp("browser") / "case.html")


@pytest.fixture
def page(chromium, case_file):
    with opened(chromium, case_file) as page:
        yield page


def at_voxel(page, plane, voxel):
    """The position of the middle of a voxel on the screen; the picture may be zoomed."""
    box = page.locator(f"[data-plane={plane}] .picture canvas").bounding_box()
    x, y = (1 - (voxel[axis] + 0.5) / SHAPE[axis] for axis in AXES[plane])
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def box_of(page, plane, part):
    return page.locator(f"[data-plane={plane}] {part}").first.bounding_box()


def test_the_wheel_with_control_zooms_around_the_pointer(page):
    """What is under the pointer stays there, and a click finds the same voxel."""
    page.mouse.click(*at_voxel(page, "axial", (11, 9, 7)))
    before = at_voxel(page, "axial", (14, 12, 7))
    page.mouse.move(*before)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -480)
    page.keyboard.up("Control")
    assert state(page)["zoom"] == 4
    assert at_voxel(page, "axial", (14, 12, 7)) == pytest.approx(before, abs=3)
    assert box_of(page, "axial", "canvas")["width"] > 3.9 * box_of(page, "axial", ".frame")["width"]
    for view in ("axial", "coronal", "sagittal"):  # no edge comes into the frame
        inner, outer = box_of(page, view, "canvas"), box_of(page, view, ".picture")
        assert inner["width"] >= outer["width"]
    page.mouse.click(*before)
    assert state(page)["at"] == [14, 12, state(page)["at"][2]]
    page.click("#zoom-off")
    assert state(page)["zoom"] == 1
    assert page.evaluate("sliceBrowser.views.map(v => v.picture.style.transform)") == ["", "", ""]


def test_the_middle_button_pans_and_keys_follow_the_crosshair(page):
    page.mouse.click(*at_voxel(page, "axial", (11, 9, 7)))
    for _ in range(7):
        page.keyboard.press("+")
    assert state(page)["zoom"] == pytest.approx(1.25**7)
    before = box_of(page, "axial", "canvas")
    frame = box_of(page, "axial", ".frame")
    middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down(button="middle")
    page.mouse.move(middle[0] + 40, middle[1] - 25)
    page.mouse.up(button="middle")
    after = box_of(page, "axial", "canvas")
    moved = after["x"] - before["x"], after["y"] - before["y"]
    assert moved == pytest.approx((40, -25), abs=1)
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    x, _ = at_voxel(page, "axial", state(page)["at"])
    assert frame["x"] <= x <= frame["x"] + frame["width"]
    page.keyboard.press("0")
    assert state(page)["zoom"] == 1


@pytest.mark.parametrize("plane", AXES)
def test_the_ruler_measures_millimetres_of_the_patient(page, plane):
    page.evaluate("sliceBrowser.change({ at: [10, 9, 7], tool: 'ruler' })")
    start, stop = [10, 9, 7], [10, 9, 7]
    for axis, by in zip(AXES[plane], (6, 4), strict=True):
        stop[axis] += by
    page.mouse.move(*at_voxel(page, plane, start))
    page.mouse.down()
    page.mouse.move(*at_voxel(page, plane, stop))
    page.mouse.up()
    expected = np.linalg.norm(SLANTED[:3, :3] @ (np.array(stop) - start))
    text = page.inner_text("#measure")
    assert float(text.split()[1]) == pytest.approx(expected, abs=0.3)
    assert page.locator(f"[data-plane={plane}] svg line:not([hidden])").count() == 1
    page.evaluate("sliceBrowser.change({ at: [3, 3, 3] })")  # another slice
    page.wait_for_function("document.querySelectorAll('svg line:not([hidden])').length === 0")


def test_the_ruler_works_by_keys(page):
    page.evaluate("sliceBrowser.change({ at: [10, 9, 7] })")
    page.keyboard.press("u")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Enter")
    expected = 3 * np.linalg.norm(SLANTED[:3, 0])
    page.wait_for_function("text => document.querySelector('#measure').textContent === text",
                           arg=f"ruler: {expected:.1f} mm")  # fmt: skip


def test_the_ellipse_has_mean_and_spread_of_its_voxels(page):
    at = [10, 9, 7]
    page.evaluate("sliceBrowser.change({ at: [10, 9, 7], tool: 'ellipse' })")
    page.mouse.move(*at_voxel(page, "axial", (4, 3, 7)))
    page.mouse.down()
    page.mouse.move(*at_voxel(page, "axial", (16, 14, 7)))
    page.mouse.up()
    hu = HU_LEVELS[to_levels(make_case()[0])][:, :, at[2]]
    measure = page.evaluate("sliceBrowser.state.measure")
    (x0, y0), (x1, y1) = (measure[end][:2] for end in ("from", "to"))
    assert (x0, y0, x1, y1) == pytest.approx((4, 3, 16, 14), abs=0.1)
    x, y = np.mgrid[: SHAPE[0], : SHAPE[1]]
    u = (x - (x0 + x1) / 2) / (abs(x1 - x0) / 2)
    v = (y - (y0 + y1) / 2) / (abs(y1 - y0) / 2)
    inside = hu[u**2 + v**2 <= 1]
    area = np.pi * abs(x1 - x0) * abs(y1 - y0) / 4
    area *= np.linalg.norm(np.cross(SLANTED[:3, 0], SLANTED[:3, 1])) / 100
    assert page.inner_text("#measure") == (
        f"ellipse: mean {inside.mean():.1f} HU, SD {inside.std():.1f}, {area:.2f} cm², "
        f"{inside.size} voxels"
    )


@pytest.mark.parametrize("kind", ["mean", "max", "min"])
def test_a_slab_is_the_mean_the_highest_or_the_lowest_of_its_slices(page, kind):
    scan = HU_LEVELS[to_levels(make_case()[0])].astype(float)
    at = [10, 1, 7]
    change = {"at": at, "slab": 14, "slabKind": kind, "hidden": True, "width": 3000, "level": 300}
    page.evaluate("changes => sliceBrowser.change(changes)", change)
    shown = pixels(page)
    spacing = np.linalg.norm(SLANTED[:3, :3], axis=0)
    for plane, picture in shown.items():
        axis = PLANES[plane]
        reach = int(7 / spacing[axis])
        assert reach > 0
        held = np.moveaxis(scan, axis, 0)[max(0, at[axis] - reach) : at[axis] + reach + 1]
        slab = getattr(np, kind)(held, axis=0)
        slab = np.floor(slab + 0.5) if kind == "mean" else slab
        levels = np.abs(HU_LEVELS - slab[..., None]).argmin(-1)  # the lower of two
        volume = np.moveaxis(np.broadcast_to(HU_LEVELS[levels], scan.shape[axis:axis + 1]
                                             + slab.shape), 0, axis)  # fmt: skip
        expected = render_slice(volume, plane, at[axis], window=(3000, 300))
        assert np.array_equal(picture, expected)
    page.evaluate("sliceBrowser.change({ slab: 0 })")
    for plane, picture in pixels(page).items():
        expected = render_slice(scan, plane, at[PLANES[plane]], window=(3000, 300))
        assert np.array_equal(picture, expected)


def test_two_fingers_zoom_and_scroll_on_a_phone(chromium, case_file):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(chromium, case_file, **phone) as page:
        session = page.context.new_cdp_session(page)
        box = page.locator("[data-plane=axial] .frame").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def touch(kind, *points):
            held = [{"x": middle[0] + x, "y": middle[1] + y, "id": n}
                    for n, (x, y) in enumerate(points)]  # fmt: skip
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": held})

        page.evaluate("sliceBrowser.change({ tool: 'ruler' })")  # its fingers are not the page's
        touch("touchStart", (-20, 0))
        touch("touchStart", (-20, 0), (20, 0))
        touch("touchMove", (-60, 0), (60, 0))
        page.wait_for_function("sliceBrowser.state.zoom > 2.9")
        touch("touchEnd")
        assert state(page)["zoom"] == pytest.approx(3, rel=0.05)
        page.evaluate("document.querySelector('#zoom-off').click()")
        at = state(page)["at"][2]
        touch("touchStart", (-20, 40))
        touch("touchStart", (-20, 40), (20, 40))
        for y in (20, 0, -20):
            touch("touchMove", (-20, y), (20, y))
        page.wait_for_function(f"sliceBrowser.state.at[2] > {at}")
        touch("touchEnd")
        assert state(page)["zoom"] == 1


def row_pixels(page, row):
    """The pictures of a row, by plane."""
    held = page.evaluate(
        """(row) => { sliceBrowser.draw(); return sliceBrowser.views.filter(v => v.row === row)
          .map(v => [v.plane, v.canvas.height, v.canvas.width,
            [...v.context.getImageData(0, 0, v.canvas.width, v.canvas.height).data]]); }""",
        row,
    )
    return {
        plane: np.array(data, np.uint8).reshape(rows, columns, 4)[..., :3]
        for plane, rows, columns, data in held
    }


def test_reference_and_prediction_stand_side_by_side(page):
    scan, label, mask = make_case()
    page.click("#side")
    at = [7, 6, 4]
    page.evaluate("sliceBrowser.change({ at: [7, 6, 4] })")
    for row, classes in ((0, {"label": label}), (1, {"mask": mask})):
        for plane, picture in row_pixels(page, row).items():
            levels = HU_LEVELS[to_levels(scan)]
            expected = render_slice(
                levels, plane, at[PLANES[plane]], show=next(iter(classes)), **classes
            )
            assert np.array_equal(picture, expected)
    # A click in either row moves both.
    page.locator("#second-views [data-plane=axial] .frame").click()
    assert state(page)["at"] != at
    assert page.locator(".view").count() == 6
    page.click("#side")
    assert page.locator(".view").count() == 3


@pytest.mark.parametrize("size", [256, 11])
def test_a_second_scan_is_shown_below_the_first(chromium, tmp_path, size):
    """Another phase: its own levels, the same classes; on the scan's grid while it is edited."""
    arrays = make_case()
    second = volumes([make_case(5)[0]], SLANTED)[0]
    scan, label, mask = volumes(arrays, SLANTED)
    file = show(scan, label, mask, second=second, size=size).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        assert page.locator(".view").count() == 6
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        page.evaluate("sliceBrowser.change({ at: [8, 6, 4] })")
        factor = [-(-n // size) for n in SHAPE]
        for row, voxels in ((0, arrays[0]), (1, second.voxels)):
            lacking = [(0, -n % f) for n, f in zip(SHAPE, factor, strict=True)]
            kept = np.pad(voxels, lacking, mode="edge")
            blocks = kept.reshape([m for n, f in zip(kept.shape, factor, strict=True)
                                   for m in (n // f, f)]).mean((1, 3, 5))  # fmt: skip
            levels = HU_LEVELS[to_levels(blocks.astype(np.float32))]
            for axis, f in enumerate(factor):
                levels = levels.take(np.arange(SHAPE[axis]) // f, axis)
            for plane, picture in row_pixels(page, row).items():
                expected = render_slice(levels, plane, [8, 6, 4][PLANES[plane]], label=label.voxels,
                                        mask=mask.voxels, show="both")  # fmt: skip
                assert np.array_equal(picture, expected)


def test_a_second_scan_on_another_grid_is_refused():
    scan, second = volumes(make_case()[:1]), volumes(make_case()[:1], SLANTED)
    with pytest.raises(LiverlibError, match="lies on another grid"):
        show(*scan, second=second[0])


def drag(page, picture, *points):
    """Drags from one share of a picture's width and height to another."""
    box = page.locator(picture).bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    page.mouse.up()
    page.evaluate("sliceBrowser.draw()")


def test_an_ellipse_tells_the_hounsfield_units_of_its_row(chromium, tmp_path):
    portal, arterial = (volumes([np.full(SHAPE, hu, np.int16)])[0] for hu in (50, 100))
    file = show(portal, second=arterial, title="portal").save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        page.click("#tool-ellipse")
        for row, name, hu in (("#views", "portal", 50), ("#second-views", "case", 100)):
            drag(page, f"{row} [data-plane=axial] .picture canvas", (0.3, 0.3), (0.6, 0.6))
            assert f"ellipse in {name}: mean {hu}.0 HU, SD 0.0" in page.inner_text("#measure")
        assert page.inner_text("#readout").endswith("50 ± 1 HU · case: 100 ± 1 HU")


def test_a_ruler_of_the_averaged_picture_does_not_outlast_it(chromium, tmp_path):
    """Its points are voxels of that picture, not of the scan."""
    file = show(*volumes(make_case(), SLANTED), size=9).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        page.click("#tool-ruler")
        drag(page, "[data-plane=axial] .picture canvas", (0.2, 0.5), (0.8, 0.5))
        assert page.inner_text("#measure").startswith("ruler: ")
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        page.evaluate("sliceBrowser.draw()")
        assert page.inner_text("#measure") == ""


@pytest.mark.parametrize("size", [256, 9])
def test_hounsfield_units_of_averages_are_called_so(chromium, tmp_path, size):
    """In the readout and the ellipse, on the scan's grid, too."""
    file = show(*volumes(make_case(), SLANTED), size=size).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        for editing in (False, True):
            if editing:
                page.click("#edit")
                page.wait_for_selector("#tools:not([hidden])")
            page.evaluate("sliceBrowser.change({ tool: 'ellipse' })")
            drag(page, "[data-plane=axial] .picture canvas", (0.2, 0.2), (0.8, 0.8))
            assert "SD" in page.inner_text("#measure")
            for text in ("#measure", "#readout"):
                assert ("of averages" in page.inner_text(text)) == (size == 9)


@pytest.mark.parametrize("plane", AXES)
def test_keys_move_the_plane_that_is_shown_alone(chromium, tmp_path, plane):
    file = show(*volumes(make_case()), plane=plane).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        page.keyboard.press("End")
        assert state(page)["at"][PLANES[plane]] == SHAPE[PLANES[plane]] - 1
        page.keyboard.press("2")
        assert page.locator(".view:visible").get_attribute("data-plane") == "coronal"
        page.keyboard.press("Home")
        assert state(page)["at"][1] == 0


def test_a_saved_view_names_its_slab_and_what_was_measured(page):
    page.evaluate("""() => {
      window.written = [];
      const fill = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        written.push(text);
        fill.call(this, text, ...rest);
      };
      sliceBrowser.change({ slab: 30, slabKind: "max" });
    }""")
    page.click("#tool-ruler")
    drag(page, "[data-plane=axial] .picture canvas", (0.2, 0.5), (0.8, 0.5))
    with page.expect_download():
        page.click("#save")
    caption = page.evaluate("written").pop()
    assert caption.endswith(f"slab max 30 mm · {page.inner_text('#measure')}")


def test_rows_with_names_need_no_note_in_the_legend(page):
    assert "filled: reference, line: prediction" in page.inner_text("#legend")
    page.click("#side")
    assert page.inner_text("#legend").split() == ["liver", "tumour"]
