"""Correcting a mask by mouse and keys in a real Chromium, from disk with no network."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from chromium import needs_chromium, opened
from edit_twin import ball, smoothed, stroke, table

from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view.slices import HU_LEVELS, to_levels
from liverlib.view.viewer.page import show

pytestmark = needs_chromium()

SHAPE = (40, 36, 20)
SLANTED = np.array([[1.5, 0.3, 0, 5], [-0.3, 1.6, 0.2, 6], [0.1, -0.2, 2, -70], [0, 0, 0, 1.0]])
GRIDS = {  # affine in RAS order, order of the file's axes
    "RAS": (np.diag([1.5, 1.5, 2, 1]), "RAS"),
    "LAS": (np.diag([1.5, 1.5, 2, 1]), "LAS"),
    "PSR": (np.diag([1.5, 1.2, 2, 1]), "PSR"),
    "oblique": (SLANTED, "LPS"),
    "5 mm": (np.diag([0.8, 0.8, 5, 1]), "LPS"),
}
AXES = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
STROKES = (  # plane, voxels, 3D
    ("axial", [(22, 20, 8), (30, 24, 8)], False),
    ("coronal", [(14, 24, 7), (16, 24, 14), (20, 24, 9)], True),
    ("sagittal", [(15, 12, 12)], False),
)


def make_scan(name="RAS"):
    """A scan of noise and its mask, with a tumour that has details of one voxel."""
    affine, orientation = GRIDS[name]
    random = np.random.default_rng(0)
    voxels = random.integers(-100, 200, SHAPE).astype(np.int16)
    mask = np.zeros(SHAPE, np.uint8)
    mask[12:32, 10:28, 7:15] = 1
    mask[14:22, 12:20, 8:13] = 1 + (random.random((8, 8, 5)) < 0.5)
    grid = Grid.of(SHAPE, affine, orientation)
    return Volume(voxels, grid, "case"), Volume(mask, grid, "case")


def start(page, **settings):
    """Opens the tools with these settings."""
    page.click("#edit")
    page.wait_for_selector("#tools:not([hidden])")
    page.evaluate("changes => sliceBrowser.change(changes)", settings)


def on_screen(page, plane, voxel):
    """The position of the middle of a voxel of the scan in a picture, which may be a crop."""
    box = page.locator(f"[data-plane={plane}] .picture canvas").bounding_box()
    origin, shape = page.evaluate("[sliceBrowser.facts.origin, sliceBrowser.volume.shape]")
    x, y = (1 - (voxel[axis] - origin[axis] + 0.5) / shape[axis] for axis in AXES[plane])
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def go_to(page, voxel, **settings):
    """The crosshair to a voxel of the scan."""
    origin = page.evaluate("sliceBrowser.facts.origin")
    at = [i - first for i, first in zip(voxel, origin, strict=True)]
    page.evaluate("changes => sliceBrowser.change(changes)", {"at": at} | settings)


def paint(page, plane, path):
    """A stroke of the mouse through voxels."""
    page.mouse.move(*on_screen(page, plane, path[0]))
    page.mouse.down()
    for voxel in path[1:]:
        page.mouse.move(*on_screen(page, plane, voxel))
    page.mouse.up()


def saved(page, folder):
    """The mask's file, as the page saves it."""
    with page.expect_download() as waiting:
        page.click("#save-mask")
    assert waiting.value.suggested_filename == "case_mask.nii.gz"
    path = folder / "saved.nii.gz"
    waiting.value.save_as(path)
    return path


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("options", [{}, {"size": 18}, {"around": "liver"}], ids=str)
def test_what_is_painted_is_saved_on_the_scans_own_grid(chromium, tmp_path, name, options):
    """By mouse in each plane, from a file whose picture may be averaged or cropped."""
    made, mask = make_scan(name)
    write_volume(tmp_path / "case.nii.gz", made)
    scan = read_scan(tmp_path / "case.nii.gz")
    file = show(scan, mask=mask, title="case", **options).save(tmp_path / "page.html")
    expected = mask.voxels
    with opened(chromium, file) as page:
        start(page, tool="brush", of="tumour", radius=4, layout="three")
        for plane, path, solid in STROKES:
            go_to(page, path[0], solid=solid)
            paint(page, plane, path)
            flat = None if solid else plane
            expected = stroke(expected, scan.grid.affine, path, 4, flat, table("tumour"))
        path = saved(page, tmp_path)
    assert (expected != mask.voxels).sum() > 100
    loaded = nib.load(path)
    assert np.array_equal(scan.grid.to_ras(np.asarray(loaded.dataobj)), expected)
    assert np.allclose(loaded.affine, nib.load(tmp_path / "case.nii.gz").affine)
    assert nib.aff2axcodes(loaded.affine) == nib.aff2axcodes(scan.grid.header.get_best_affine())
    assert np.array_equal(read_label(path, like=scan).voxels, expected)
    write_volume(tmp_path / "python.nii.gz", Volume(expected, scan.grid))
    python = gzip.decompress((tmp_path / "python.nii.gz").read_bytes())
    assert gzip.decompress(path.read_bytes()) == python


@pytest.mark.parametrize("options", [{}, {"size": 18}, {"around": "liver"}], ids=str)
def test_what_nobody_touches_comes_back_equal_to_the_bit(chromium, tmp_path, options):
    """Before any edit, and after edits that were all undone; far outside of the crop, too."""
    scan, mask = make_scan("LAS")
    file = show(scan, mask=mask, title="case", **options).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="brush", of="liver", radius=6, solid=True)
        before = saved(page, tmp_path).read_bytes()
        for tool in ("brush", "eraser", "brush"):
            page.evaluate("changes => sliceBrowser.change(changes)", {"tool": tool})
            page.locator("[data-plane=axial] .picture canvas").click(position={"x": 60, "y": 70})
            page.locator("[data-plane=coronal] .picture canvas").click(position={"x": 50, "y": 40})
        assert page.evaluate("sliceBrowser.session.edit.done") >= 4
        changed = read_label(saved(page, tmp_path), like=scan).voxels
        assert not np.array_equal(changed, mask.voxels)
        while page.is_enabled("#undo"):
            page.keyboard.press("Control+z")
        after = saved(page, tmp_path).read_bytes()
    assert gzip.decompress(before) == gzip.decompress(after)
    assert np.array_equal(read_label(tmp_path / "saved.nii.gz", like=scan).voxels, mask.voxels)


def test_every_tool_works_by_a_click(chromium, tmp_path):
    """Fill, smooth, delete and relabel where it is clicked; interpolation by its button."""
    scan, mask = make_scan()
    hole = (18, 16, 10)
    given = mask.voxels
    given[12:32, 10:28, 7:15] = 1
    given[14:22, 12:20, 10] = 2
    given[hole] = 1
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    tumour, liver = given == 2, given > 0

    def clicked(page, tool, voxel, **settings):
        go_to(page, voxel, tool=tool, **settings)
        page.mouse.click(*on_screen(page, "axial", voxel))
        after = read_label(saved(page, tmp_path), like=scan).voxels
        page.click("#undo")
        return after

    with opened(chromium, file) as page:
        start(page, of="tumour")
        filled = given.copy()
        filled[hole] = 2
        assert np.array_equal(clicked(page, "fill", hole), filled)
        smooth = smoothed(tumour, "axial")
        expected = np.where(smooth, 2, np.where(tumour, 1, given))
        assert np.array_equal(clicked(page, "smooth", (15, 13, 10)), expected)
        assert np.array_equal(clicked(page, "delete", (15, 13, 10)), np.where(tumour, 1, given))
        assert np.array_equal(clicked(page, "delete", (28, 13, 10)), np.zeros_like(given))
        assert np.array_equal(clicked(page, "relabel", (15, 13, 10)), np.where(tumour, 1, given))
        expected = np.where(liver & ~tumour & (given == 1), 2, given)
        assert (clicked(page, "relabel", (28, 13, 10)) == expected).mean() > 0.999
        for z in (8, 13):
            go_to(page, (27, 24, z), tool="brush", radius=3)
            page.mouse.click(*on_screen(page, "axial", (27, 24, z)))
        page.click("#interpolate")
        after = read_label(saved(page, tmp_path), like=scan).voxels
    disc = ball(SHAPE, scan.grid.affine, (27, 24, 8), 3, "axial")[:, :, 8]
    for z in range(8, 14):
        assert np.array_equal(after[..., z] == 2, tumour[..., z] | disc)


def test_corrections_that_were_not_saved_are_not_left_without_a_question(chromium, tmp_path):
    scan, mask = make_scan()
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    asked = []
    with opened(chromium, file) as page:
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        start(page, tool="brush", of="tumour", radius=4)
        page.close(run_before_unload=True)  # nothing is painted yet
    assert not asked
    with opened(chromium, file) as page:
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        start(page, tool="brush", of="tumour", radius=4)
        paint(page, "axial", [(22, 20, 8), (30, 24, 8)])
        with page.expect_event("dialog"):
            page.close(run_before_unload=True)
        saved(page, tmp_path)
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


def test_a_mask_is_begun_where_there_is_none(chromium, tmp_path):
    scan, _ = make_scan("LAS")
    file = show(scan, title="case").save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="brush", of="liver", radius=7)
        go_to(page, (20, 18, 9))
        paint(page, "axial", [(20, 18, 9), (26, 18, 9)])
        shown = page.evaluate("[sliceBrowser.state.show, document.querySelector('#show').value]")
        after = read_label(saved(page, tmp_path), like=scan).voxels
    assert shown == ["mask", "mask"]
    path = [(20, 18, 9), (26, 18, 9)]
    empty = np.zeros(SHAPE, np.uint8)
    expected = stroke(empty, scan.grid.affine, path, 7, "axial", table("liver"))
    assert np.array_equal(after, expected)


def test_only_hounsfield_units_in_the_range_change_and_alt_wheel_resizes(chromium, tmp_path):
    scan, mask = make_scan()
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="brush", of="tumour", radius=5, ranged=True, low=0, high=100, inside=True)
        go_to(page, (24, 20, 9))
        page.mouse.click(*on_screen(page, "axial", (24, 20, 9)))
        page.click("#undo")
        page.keyboard.down("Alt")
        page.mouse.move(*on_screen(page, "axial", (24, 20, 9)))
        page.mouse.wheel(0, -100)
        page.mouse.wheel(0, -100)
        page.keyboard.up("Alt")
        page.wait_for_function("sliceBrowser.state.radius === 6")
        page.mouse.click(*on_screen(page, "axial", (24, 20, 9)))
        after = read_label(saved(page, tmp_path), like=scan).voxels
    hu = HU_LEVELS[to_levels(scan.voxels)]
    allowed = (hu >= 0) & (hu <= 100)
    changed = table("tumour", inside=True)
    expected = stroke(mask.voxels, scan.grid.affine, [(24, 20, 9)], 6, "axial", changed, allowed)
    assert np.array_equal(after, expected)


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def tumour_voxels(page):
    return page.evaluate("sliceBrowser.volume.pairs.filter(pair => pair >> 2 === 2).length")


def steps(page):
    return page.evaluate("sliceBrowser.session.edit.done")


def touches(page, voxel):
    """A function that puts fingers down, so many pixels right of a voxel in the axial picture."""
    session = page.context.new_cdp_session(page)
    x, y = on_screen(page, "axial", voxel)

    def touch(kind, *right):
        points = [{"x": x + dx, "y": y, "id": n} for n, dx in enumerate(right)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


@pytest.mark.parametrize("tool", ["brush", "delete", "relabel"])
def test_a_pinch_takes_back_what_its_first_finger_did_and_no_more(chromium, tmp_path, tool):
    """Where that finger changed nothing, the stroke before it stays."""
    scan, mask = make_scan()
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    at = (24, 20, 9)
    with opened(chromium, file, **PHONE) as page:
        start(page, tool="brush", of="tumour", radius=4)
        go_to(page, at)
        touch = touches(page, at)
        touch("touchStart", 0)
        touch("touchEnd")
        before = tumour_voxels(page)
        assert steps(page) == 1
        page.evaluate("tool => sliceBrowser.change({ tool })", tool)
        touch("touchStart", 0)
        touch("touchStart", 0, 40)
        touch("touchMove", -30, 70)
        page.wait_for_function("sliceBrowser.state.zoom > 1")
        touch("touchEnd")
        assert steps(page) == 1
        assert tumour_voxels(page) == before


@pytest.mark.parametrize("key", ["Control+z", "z", "y", "i", "Enter"])
def test_a_key_may_be_pressed_within_a_stroke(chromium, tmp_path, key):
    """The stroke goes on, and all of it can be undone."""
    scan, mask = make_scan()
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="brush", of="tumour", radius=3)
        before = page.evaluate("[...sliceBrowser.volume.pairs]")
        page.mouse.move(*on_screen(page, "axial", (14, 24, 9)))
        page.mouse.down()
        page.keyboard.press(key)
        begun = tumour_voxels(page)
        page.mouse.move(*on_screen(page, "axial", (28, 24, 9)))
        page.mouse.up()
        assert tumour_voxels(page) > begun
        while page.is_enabled("#undo"):
            page.click("#undo")
        assert page.evaluate("[...sliceBrowser.volume.pairs]") == before


def asks(page):
    """Whether the page asks before it is closed."""
    return page.evaluate("""() => {
      const closing = new Event("beforeunload", { cancelable: true });
      dispatchEvent(closing);
      return closing.defaultPrevented;
    }""")


def test_the_page_asks_while_it_differs_from_the_file(chromium, tmp_path):
    """After a stroke that was made while the file was written, and after undo, too."""
    scan, mask = make_scan()
    file = show(scan, mask=mask, title="case").save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="brush", of="tumour", radius=4)
        go_to(page, (22, 20, 8))
        page.keyboard.press("Enter")
        assert asks(page)
        with page.expect_download() as waiting:
            page.evaluate("""() => {
              const press = (key) =>
                document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
              press("s");
              sliceBrowser.change({ at: [28, 24, 12] });
              press("Enter");
            }""")
        waiting.value.save_as(tmp_path / "early.nii.gz")
        written = (read_label(tmp_path / "early.nii.gz", like=scan).voxels == 2).sum()
        assert tumour_voxels(page) > written
        assert asks(page)
        page.keyboard.press("z")
        assert not asks(page)  # as in the file again
        page.keyboard.press("z")
        assert asks(page)
        page.keyboard.press("y")
        assert not asks(page)


def test_the_last_slice_of_an_averaged_picture_is_a_slice_of_the_scan(chromium, tmp_path):
    """Blocks of 3 voxels reach beyond 19 slices; the crosshair does not."""
    grid = Grid.of((40, 36, 19), np.diag([1.5, 1.5, 2, 1]))
    scan, mask = (Volume(volume.voxels[..., :19], grid) for volume in make_scan())
    file = show(scan, mask=mask, size=7).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        assert page.evaluate("sliceBrowser.facts.factor") == [6, 6, 3]
        last = [n - 1 for n in page.evaluate("sliceBrowser.facts.shape")]
        page.evaluate("at => sliceBrowser.change({ at })", last)
        start(page, tool="fill", of="tumour")
        assert page.evaluate("sliceBrowser.state.at") == [38, 32, 18]
        page.keyboard.press("Enter")
        assert "This hole is open" in page.inner_text("#edit-note")


def test_a_fill_that_no_voxel_allows_says_so(chromium, tmp_path):
    scan, mask = make_scan()
    mask.voxels[24, 20, 9] = 0
    file = show(scan, mask=mask).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        start(page, tool="fill", of="liver", inside=True)
        go_to(page, (24, 20, 9))
        page.keyboard.press("Enter")
        assert "inside liver only" in page.inner_text("#edit-note")
        assert steps(page) == 0


def test_two_clicks_on_edit_open_the_tools_once(chromium, tmp_path):
    scan, mask = make_scan()
    file = show(scan, mask=mask).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        page.dblclick("#edit")
        page.wait_for_selector("#tools:not([hidden])")


def test_enter_uses_a_tool_after_a_click_on_its_button(chromium, tmp_path):
    scan, mask = make_scan()
    file = show(scan, mask=mask).save(tmp_path / "page.html")
    with opened(chromium, file) as page:
        page.click("#edit")
        page.wait_for_selector("#tools:not([hidden])")
        page.click("#tool-brush")
        go_to(page, (28, 24, 9))
        page.keyboard.press("Enter")
        assert steps(page) == 1
        page.click("#tool-ruler")
        page.keyboard.press("Enter")
        assert page.evaluate("sliceBrowser.state.measure.kind") == "ruler"
