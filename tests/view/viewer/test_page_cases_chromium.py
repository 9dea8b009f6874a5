"""Other scans, sizes and policies: the slice browser's page from disk, in a real Chromium."""

import itertools

import numpy as np
import pytest
from chromium import (
    SHAPE,
    WIDE,
    make_case,
    needs_chromium,
    opened,
    pixels,
    state,
    volumes,
)
from PIL import Image

from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid
from liverlib.view.slices import HU_LEVELS, PLANES, render_slice, to_levels
from liverlib.view.viewer.page import show

pytestmark = needs_chromium()

OBLIQUE = np.array([[2, 0.5, 0, 5], [-0.4, 3, 0.3, 6], [0.1, -0.6, 4, -70], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "oblique"])
def test_files_of_any_orientation(chromium, tmp_path, orientation):
    """Pixels, millimetres and classes are those that Python has, however the file is stored."""
    affine = OBLIQUE if orientation == "oblique" else np.diag([2.0, 3, 4, 1])
    grid = Grid.of(SHAPE, affine, "RAS" if orientation == "oblique" else orientation)
    for name, array in zip(("scan", "label", "mask"), make_case(1), strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", array, grid)
    scan = read_scan(tmp_path / "scan.nii.gz")
    label, mask = (read_label(tmp_path / f"{n}.nii.gz", scan) for n in ("label", "mask"))
    path = show(scan, label, mask, show="label").save(tmp_path / "page.html")
    levels = HU_LEVELS[to_levels(scan.voxels)]
    words = ["background", "liver", "tumour"]
    with opened(chromium, path) as page:
        for voxel in [(7, 6, 4), (0, 0, 0), (21, 17, 13), (13, 11, 9), (18, 5, 8)]:
            page.evaluate("at => sliceBrowser.change({at})", list(voxel))
            for plane, picture in pixels(page).items():
                expected = render_slice(levels, plane, voxel[PLANES[plane]], label=label)
                assert np.array_equal(picture, expected), plane
            mm = scan.grid.affine[:3, :3] @ voxel + scan.grid.affine[:3, 3]
            told = page.locator("#readout").inner_text().split(" · ")
            assert told[0] == f"voxel {', '.join(map(str, voxel))}"
            assert [float(v) for v in told[1][:-3].split(", ")] == pytest.approx(mm, abs=0.051)
            assert told[3] == f"reference: {words[label.voxels[voxel]]}"
            assert told[4] == f"prediction: {words[mask.voxels[voxel]]}"
            hu, error = told[2].strip("≤≥ HU").split(" ± ") if "±" in told[2] else (None, None)
            if hu is None:
                assert not -1008 < scan.voxels[voxel] < 1608
            else:
                assert abs(int(hu) - scan.voxels[voxel]) <= float(error)


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


def test_a_saved_view_is_wide_enough_for_its_words(chromium, tmp_path):
    shown = show(*volumes(make_case()), title="a very long name of a case " * 9)
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


def test_it_follows_the_systems_theme(chromium, case_file):
    for scheme in ("light", "dark"):
        with opened(chromium, case_file, color_scheme=scheme) as page:
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 27)"}[scheme]


@pytest.mark.parametrize("given", [(), ("label",), ("mask",)])
def test_less_than_everything_is_shown(chromium, tmp_path, given):
    scan, label, _ = volumes(make_case())
    path = show(scan, **dict.fromkeys(given, label)).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        assert page.locator("#show option").count() == len(given)
        assert page.locator(".painted:visible").count() == (5 if given else 0)
        assert page.is_disabled("#next") == (not given)
        words = {"label": "reference: tumour", "mask": "prediction: tumour"}
        assert page.inner_text("#readout").split(" · ")[3:] == [words[name] for name in given]
        page.select_option("#window", "bone")
        levels = HU_LEVELS[to_levels(scan.voxels)]
        index = state(page)["at"][2]
        options = dict.fromkeys(given, label) | {"show": given[0] if given else "label"}
        expected = render_slice(levels, "axial", index, window="bone", **options)
        assert np.array_equal(pixels(page)["axial"], expected)


@pytest.mark.parametrize("value", [-1024, 40])
def test_air_alone_and_a_constant_are_shown(chromium, tmp_path, value):
    scan = np.full((6, 5, 4), value, np.int16)
    path = show(*volumes([scan])).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        expected = render_slice(HU_LEVELS[to_levels(scan)], "axial", 2)
        assert np.array_equal(pixels(page)["axial"], expected)


def test_a_crop_tells_the_voxels_of_the_scan(chromium, tmp_path):
    scan, label, mask = make_case()
    label[:12] = mask[:12] = 0
    path = show(*volumes([scan, label, mask]), around="liver").save(tmp_path / "p.html")
    with opened(chromium, path) as page:
        page.locator("#lesions button").first.click()
        page.evaluate("sliceBrowser.draw()")
        told = page.inner_text("#readout")
        assert told.startswith("voxel 13, 11, 9 · 26.0, 33.0, 36.0 mm")
        assert "reference: tumour" in told
        assert "cropped to 15 × 18 × 14 around the liver" in page.inner_text("#note")


def test_an_averaged_volume_tells_the_voxels_of_the_scan(chromium, tmp_path):
    """Of a block of voxels it tells the middle one, the lower of two, and the middle in mm."""
    path = show(*volumes(make_case()), size=9).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        page.evaluate("sliceBrowser.change({at: [2, 4, 3]})")
        page.evaluate("sliceBrowser.draw()")
        assert page.inner_text("#readout").startswith("voxel 7, 8, 6 · 14.0, 25.5, 26.0 mm")
        assert "averaged over 3 × 2 × 2" in page.inner_text("#note")


def test_unknown_spacing_is_told(chromium, tmp_path):
    path = show(*volumes(make_case(), np.eye(4))).save(tmp_path / "page.html")
    with opened(chromium, path) as page:
        assert "mm unknown" in page.inner_text("#readout")
        assert "unknown" in page.inner_text("#lesions tbody tr >> nth=0")


def test_a_hostile_name_does_not_run(chromium, tmp_path):
    name = "\"'><img src=x onerror='window.bad = 1'></script><script>window.bad = 1</script>"
    scan, label, _ = volumes(make_case())
    with opened(chromium, show(scan, label, title=name).save(tmp_path / "page.html")) as page:
        assert page.inner_text("h1") == name
        assert page.title() == name
        assert page.evaluate("window.bad") is None
        assert page.locator("img").count() == 0
        with page.expect_download() as waiting:
            page.click("#save")
        assert set("<>\"'/") & set(waiting.value.suggested_filename) == set()


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
