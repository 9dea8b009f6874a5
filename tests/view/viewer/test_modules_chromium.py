"""The page's own modules, loaded by a real Chromium as they are, without the bundler.

paint.js and volume.js run in a worker, where there is no document that they could touch.
"""

import base64
import itertools

import numpy as np
import pytest
from chromium import (
    SHAPE,
    make_case,
    needs_chromium,
    pixels,
    volumes,
)
from page_modules import copy_modules, opened_tab, run, served

from liverlib.view.slices import (
    COLOURS,
    HU_LEVELS,
    KINDS,
    PLANES,
    SHOW,
    letters,
    paint_layers,
    render_slice,
    to_levels,
    windowed,
)
from liverlib.view.viewer.page import show
from liverlib.view.viewer.payload import make_payload

pytestmark = needs_chromium()

# Decodes and paints one slice; every option is a field of the page's state.
PAINT = """(async () => {
  const decoded = await volume.decodeVolume(
    volume.fromBase64(values.voxels), values.shape, values.hasPairs);
  return values.settings.map(({ plane, slice, options }) => {
    const walk = volume.sliceWalk(decoded, plane, slice, options.radiological);
    const buffers = paint.makeBuffers(new ArrayBuffer(4 * walk.columns * walk.rows));
    const layers = values.hasPairs ? paint.paintLayers(options) : [];
    const palette = paint.makePalette(options, values.levels, values.colours);
    paint.paintSlice(decoded, walk, layers, palette, buffers);
    return [walk.rows, walk.columns, new Uint8Array(buffers.pixels.buffer)];
  });
})()"""
OPTIONS = {
    "show": "both", "width": 400, "level": 40, "opacity": 0.4, "contour": False, "hidden": False,
    "liver": True, "tumour": True, "radiological": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The modules, beside an empty page and one that loads them in place of its own script."""
    folder = tmp_path_factory.mktemp("web")
    copy_modules(folder)
    text = show(*volumes(make_case()), title="A case").html
    start = text.rindex("<script>")
    module = '<script type="module" src="main.js">'
    (folder / "page.html").write_text(
        text[:start] + module + text[text.index("</script>", start) :], encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def tab(address):
    with opened_tab(address) as tab:
        yield tab


def packed(*arrays):
    """The values that `PAINT` takes for a scan, a label and a mask."""
    given = [*volumes(arrays), None, None][:3]
    made = make_payload(*given, 256, None)
    return made, {
        "voxels": base64.b64encode(made.packed()).decode(),
        "shape": list(made.facts["shape"]),
        "hasPairs": len(arrays) > 1,
        "levels": made.facts["levels"],
        "colours": COLOURS,
    }


def paint(tab, settings, *arrays):
    """The pictures that paint.js makes, (rows, columns, 3), of (plane, slice, options) each."""
    keys = ("plane", "slice", "options")
    given = [dict(zip(keys, setting, strict=True)) for setting in settings]
    shown = run(tab, PAINT, **packed(*arrays)[1], settings=given)
    return [np.array(p, np.uint8).reshape(r, c, 4)[..., :3] for r, c, p in shown]


def expected(arrays, plane, index, options):
    """The picture that slices.py makes with the same settings."""
    scan, label, mask = (*arrays, None, None)[:3]
    return render_slice(
        HU_LEVELS[to_levels(scan)], plane, index, label=label, mask=mask, show=options["show"],
        window=(options["width"], options["level"]), opacity=options["opacity"],
        contour=options["contour"], radiological=options["radiological"],
        classes=tuple(c for c in (1, 2) if options[KINDS[c]]),
    )  # fmt: skip


@pytest.mark.parametrize("given", [1, 2, 3])
def test_a_volume_is_decoded_as_it_was_packed(tab, given):
    made, values = packed(*make_case()[:given])
    decoded = run(
        tab,
        "volume.decodeVolume(volume.fromBase64(values.voxels), values.shape, values.hasPairs)",
        **values,
    )
    assert decoded["shape"] == list(SHAPE)
    assert np.array_equal(decoded["levels"], made.levels.ravel(order="F"))
    if given == 1:
        assert decoded["pairs"] is None
        return
    pairs = made.label + 4 * (0 if made.mask is None else made.mask)
    assert np.array_equal(decoded["pairs"], pairs.ravel(order="F"))
    for axis, counts in enumerate(decoded["counts"]):
        slices = np.moveaxis(pairs, axis, 0).reshape(SHAPE[axis], -1)
        expected_counts = np.array([np.bincount(held, minlength=16) for held in slices])
        expected_counts[:, 0] = 0  # background is not counted
        assert np.array_equal(np.reshape(counts, (-1, 16)), expected_counts)


def test_broken_voxels_are_an_error(tab):
    with pytest.raises(Exception, match="Error"):
        run(tab, "volume.decodeVolume(volume.fromBase64('AAAA'), [2, 2, 2], false)")


@pytest.mark.parametrize("plane", PLANES)
def test_pixels_are_those_of_slices(tab, plane):
    """Every slice; and on one, every mode with every outline, convention and choice of classes."""
    arrays = make_case()
    settings = [(plane, i, OPTIONS) for i in range(SHAPE[PLANES[plane]])]
    for mode, contour, radiological, liver, tumour in itertools.product(SHOW, *[(True, False)] * 4):
        choice = {"contour": contour, "radiological": radiological, "liver": liver}
        options = OPTIONS | choice | {"show": mode, "tumour": tumour, "opacity": 0.73, "level": -17}
        settings.append((plane, 6, options | {"width": 333}))
    for picture, setting in zip(paint(tab, settings, *arrays), settings, strict=True):
        assert np.array_equal(picture, expected(arrays, *setting)), setting


def test_without_classes_it_is_grey(tab):
    arrays = make_case()[:1]
    setting = ("coronal", 3, OPTIONS | {"show": "label"})
    (picture,) = paint(tab, [setting], *arrays)
    assert np.array_equal(picture, expected(arrays, *setting))
    assert (picture.max(-1) == picture.min(-1)).all()


def test_paint_can_be_hidden(tab):
    (picture,) = paint(tab, [("axial", 6, OPTIONS | {"hidden": True})], *make_case())
    assert np.array_equal(picture, expected(make_case()[:1], "axial", 6, OPTIONS))


def test_tables_are_those_of_slices(tab):
    assert run(tab, "paint.KINDS") == list(KINDS)
    for mode, contour, classes in itertools.product(SHOW, (True, False), [(), (1,), (2,), (1, 2)]):
        chosen = {KINDS[c]: c in classes for c in (1, 2)}
        options = OPTIONS | chosen | {"show": mode, "contour": contour}
        layers = run(tab, "paint.paintLayers(values)", **options)
        tables = [[table.tolist(), style] for table, style in paint_layers(mode, contour, classes)]
        assert layers == tables, options


@pytest.mark.parametrize(("width", "level"), [(150, 30), (1, 0), (4000, -600), (333, 17.5)])
def test_the_palette_has_the_greys_of_the_window(tab, width, level):
    palette = run(
        tab,
        "paint.makePalette(values, values.levels, values.colours)",
        **OPTIONS | {"width": width, "level": level},
        levels=HU_LEVELS.tolist(),
        colours=COLOURS,
    )
    bare = np.array(palette[:256], np.uint32).view(np.uint8).reshape(256, 4)
    assert np.array_equal(bare[:, :3], np.repeat(windowed(HU_LEVELS, width, level)[:, None], 3, 1))
    assert (bare[:, 3] == 255).all()


@pytest.mark.parametrize("radiological", [True, False])
@pytest.mark.parametrize("plane", PLANES)
def test_letters_and_points_are_those_of_the_picture(tab, plane, radiological):
    values = {"plane": plane, "radiological": radiological, "shape": list(SHAPE)}
    sides = run(tab, "volume.sideLetters(values.plane, values.radiological)", **values)
    assert sides == [letters(plane, radiological)[s] for s in ("left", "right", "top", "bottom")]
    voxel = [5, 11, 3]
    there_and_back = """(() => {
      const { plane, at, radiological } = values;
      const made = volume.makeVolume(values.shape, [], null);
      const point = volume.pointOfVoxel(made, plane, at, radiological);
      return [point, volume.voxelAtPoint(made, plane, at, point, radiological)];
    })()"""
    (x, y), back = run(tab, there_and_back, **values, at=voxel)
    assert back == voxel
    scan = np.full(SHAPE, -1000, np.int16)
    scan[tuple(voxel)] = 1000
    picture = render_slice(scan, plane, voxel[PLANES[plane]], radiological=radiological)
    rows, columns = picture.shape[:2]
    assert picture[int(y * rows), int(x * columns)].tolist() == [255, 255, 255]


def test_the_page_of_modules_paints_what_the_page_of_one_script_does(tab, address):
    arrays, page = make_case(), tab.context.new_page()
    page.goto(f"{address}/page.html")
    page.wait_for_selector("main:not([hidden])")
    page.evaluate("sliceBrowser.change({ at: [7, 6, 4], show: 'difference' })")
    for plane, picture in pixels(page).items():
        index = [7, 6, 4][PLANES[plane]]
        options = OPTIONS | {"show": "difference"}
        assert np.array_equal(picture, expected(arrays, plane, index, options))
    page.close()
