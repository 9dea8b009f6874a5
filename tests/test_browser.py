"""The slice browsers without a browser: what the page holds, and the widgets by their values."""

import base64
import gzip
import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from conftest import simple_case
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_table import find_lesions, longest_diameter
from liverlib.io.volume import Grid, Volume
from liverlib.view.slices import HU_LEVELS, largest_slice, png, render_slice, to_levels
from liverlib.view.viewer import page as viewer

HOSTILE = """"'><img src=x onerror=alert(1)></script><script>alert(2)</script>$title ${x} {{y}}"""


def volume(voxels, spacing=(2.0, 3.0, 4.0), name="case", affine=None):
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    return Volume(voxels, Grid.of(voxels.shape, affine), name)


@pytest.fixture
def scan():
    return volume(np.random.default_rng(0).integers(-1100, 1700, (20, 18, 14)).astype(np.int16))


@pytest.fixture
def label():
    """A liver with a tumour of 2×2×2 and one of a single voxel."""
    classes = np.zeros((20, 18, 14), np.uint8)
    classes[4:16, 4:14, 3:11] = 1
    classes[6:8, 6:8, 5:7] = 2
    classes[12, 10, 8] = 2
    return volume(classes)


@pytest.fixture
def mask(label):
    """The label moved by a voxel, so that the single voxel is missed, and one in its stead."""
    return volume(np.roll(label.voxels, 1, axis=0))


def unpack(page, has_classes=True):
    """The levels and the pairs of classes that a page carries, as (X, Y, Z) arrays."""
    content = np.frombuffer(gzip.decompress(page.voxels), np.uint8)
    shape = page.facts["shape"]
    levels, pairs = content[: np.prod(shape)], content[np.prod(shape) :]
    levels = np.cumsum(levels, dtype=np.uint8).reshape(shape, order="F")
    return levels, pairs.reshape(shape, order="F") if has_classes else pairs


class Parts(HTMLParser):
    """The tags of a page, in order, with their attributes, and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags:
            self.texts.setdefault(self.tags[-1][1].get("id"), data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


# ---- The page ------------------------------------------------------------------------------------


def test_the_page_carries_the_levels_and_the_classes(scan, label, mask):
    levels, pairs = unpack(viewer.show(scan, label, mask))
    assert np.array_equal(levels, to_levels(scan.voxels))
    assert np.array_equal(pairs & 3, label.voxels)
    assert np.array_equal(pairs >> 2, mask.voxels)


@pytest.mark.parametrize(("with_label", "with_mask"), [(1, 0), (0, 1), (0, 0)])
def test_what_is_not_given_is_not_carried(scan, label, mask, with_label, with_mask):
    page = viewer.show(scan, label if with_label else None, mask if with_mask else None)
    _, pairs = unpack(page, with_label or with_mask)
    assert page.facts["has"] == {"label": bool(with_label), "mask": bool(with_mask)}
    assert page.facts["show"] == ("mask" if with_mask else "label")
    expected = label.voxels if with_label else 4 * mask.voxels if with_mask else np.zeros(0)
    assert np.array_equal(pairs, expected)


def test_equal_input_gives_equal_bytes(scan, label, mask):
    first, second = (viewer.show(scan, label, mask) for _ in range(2))
    assert first.html == second.html
    assert first._repr_mimebundle_() == second._repr_mimebundle_()


def test_axes_in_any_order_of_memory_give_equal_bytes(scan, label):
    turned = volume(np.asfortranarray(scan.voxels))
    assert viewer.show(scan, label).html == viewer.show(turned, label).html


def test_a_notebook_gets_an_iframe_with_the_picture_in_it(scan, label):
    bundle = viewer.show(scan, label, title="A title")._repr_mimebundle_()
    parts = Parts(bundle["text/html"])
    (iframe,) = parts.all("iframe")
    assert iframe["title"] == "A title"
    assert "DecompressionStream" in iframe["srcdoc"]
    (image,) = parts.all("img")
    assert image["alt"] == "A title: one axial slice, 20 × 18 × 14 voxels"
    assert image["src"] == f"data:image/png;base64,{bundle['image/png']}"
    best = largest_slice(label)
    levels = HU_LEVELS[to_levels(scan.voxels)]
    expected = png(render_slice(levels, "axial", best, label=label), 1.5, 320)
    assert base64.b64decode(bundle["image/png"]) == expected


def test_save_writes_a_page_that_needs_nothing_else(scan, label, tmp_path):
    path = viewer.show(scan, label, title="A title").save(tmp_path / "new" / "slices.html")
    text = path.read_text(encoding="utf-8")
    parts = Parts(text)
    assert "http:" not in text
    assert "https:" not in text
    assert not parts.all("link")
    assert not any("src" in script for script in parts.all("script"))
    assert parts.texts["facts"].startswith("{")
    assert all(image["src"].startswith("data:") for image in parts.all("img"))
    (policy,) = (m for m in parts.all("meta") if "http-equiv" in m)
    assert policy["content"].startswith("default-src 'none'")


def test_a_cube_of_128_takes_little_of_a_notebook():
    bundle = viewer.show(*simple_case(size=128))._repr_mimebundle_()
    assert len(json.dumps(bundle)) < 2.5e6


@pytest.mark.parametrize("by_name", [True, False])
def test_a_hostile_title_or_name_stays_text(scan, label, by_name):
    case = Volume(scan.voxels, scan.grid, HOSTILE) if by_name else scan
    page = viewer.show(case, label, title="" if by_name else HOSTILE)
    parts = Parts(page.html)
    assert len(parts.all("script")) == 3
    assert len(parts.all("img")) == 1
    assert json.loads(parts.texts["facts"])["title"] == HOSTILE
    outer = Parts(page._repr_html_())
    assert [tag for tag, _ in outer.tags] == ["iframe", "img"]
    assert outer.all("iframe")[0]["title"] == HOSTILE


def test_a_large_volume_is_averaged_down_and_says_so(scan, label):
    page = viewer.show(scan, label, size=9)
    assert page.facts["shape"] == (6, 9, 7)  # by 3, 2 and 2; two columns are left over
    assert page.facts["factor"] == [3, 2, 2]
    assert page.facts["note"] == "20 × 18 × 14 voxels, shown averaged over 3 × 2 × 2"
    levels, pairs = unpack(page)
    block = (slice(3, 6), slice(2, 4), slice(0, 2))
    mean = scan.voxels[block].mean()
    assert levels[1, 1, 0] == to_levels(np.array(mean, np.float32))
    assert pairs[1, 1, 1] == 0  # a third of its block is liver
    assert pairs[2, 3, 3] == 1  # a sixth of it is tumour
    assert pairs[2, 2, 2] == 1


def test_tumour_is_what_half_of_a_block_is():
    classes = np.zeros((4, 4, 4), np.uint8)
    classes[:2, :2, :2] = 1
    classes[:2, :2, 0] = 2
    page = viewer.show(volume(np.zeros((4, 4, 4))), volume(classes), size=2)
    assert unpack(page)[1][0, 0, 0] == 2


def test_around_the_liver_all_voxels_are_kept(scan, label):
    page = viewer.show(scan, label, around="liver", size=4)
    assert page.facts["origin"] == [0, 0, 0]  # 10 mm are 5, 4 and 3 voxels
    assert page.facts["shape"] == (20, 18, 14)
    small = volume(np.where(np.arange(20)[:, None, None] == 10, label.voxels, 0))
    page = viewer.show(scan, small, around="liver")
    assert page.facts["origin"] == [5, 0, 0]
    assert page.facts["shape"] == (11, 18, 14)
    assert "cropped to 11 × 18 × 14 around the liver" in page.facts["note"]
    assert np.array_equal(unpack(page)[1], small.voxels[5:16])


@pytest.mark.parametrize("options", [{"size": 7}, {"around": "liver"}, {}])
def test_the_page_knows_where_its_voxels_lie(scan, label, options):
    """The centre of a block of voxels is at the mean of their places, for an oblique grid too."""
    affine = np.array([[2, 0.3, 0, 5], [-0.2, 3, 0.1, 6], [0, 0.4, 4, -7], [0, 0, 0, 1.0]])
    oblique = volume(scan.voxels, affine=affine)
    facts = viewer.show(oblique, volume(label.voxels, affine=affine), **options).facts
    origin, factor = np.array(facts["origin"]), np.array(facts["factor"])
    inside = np.stack(np.mgrid[tuple(slice(f) for f in factor)], -1).reshape(-1, 3)
    at = np.array([1, 2, 1])
    places = (origin + at * factor + inside) @ affine[:3, :3].T + affine[:3, 3]
    expected = np.array(facts["affine"]) @ [*at, 1]
    assert expected == pytest.approx(places.mean(0))


def test_it_starts_in_the_largest_tumour_else_in_the_liver_else_in_the_middle(scan, label):
    start = viewer.show(scan, label).facts["start"]
    assert label.voxels[tuple(start)] == 2
    assert start[2] in (5, 6)
    liver = volume(np.minimum(label.voxels, 1))
    assert liver.voxels[tuple(viewer.show(scan, liver).facts["start"])] == 1
    assert viewer.show(scan).facts["start"] == [10, 9, 7]
    assert viewer.show(scan, volume(np.zeros_like(label.voxels))).facts["start"] == [10, 9, 7]


def test_a_false_identity_affine_has_no_millimetres(scan, label):
    identity = {"affine": np.eye(4)}
    facts = viewer.show(volume(scan.voxels, **identity), volume(label.voxels, **identity)).facts
    assert facts["spacing_known"] is False
    assert facts["lesions"][0]["cells"] == ["unknown", "unknown"]
    assert "spacing unknown" in facts["note"]


@pytest.mark.parametrize("value", [-1024, 0, 30000])
def test_a_constant_volume_is_shown(value):
    page = viewer.show(volume(np.full((5, 6, 7), value, np.int16)))
    assert len(np.unique(unpack(page, False)[0])) == 1


@pytest.mark.parametrize("show", [viewer.show, viewer.browse])
def test_what_cannot_be_shown_is_refused(show, scan, label):
    holes = scan.voxels.astype(np.float32)
    holes[1, 2, 3] = np.nan
    with pytest.raises(LiverlibError, match=r"case: holds NaN.*Replace"):
        show(volume(holes))
    with pytest.raises(LiverlibError, match=r"label case: its shape is \(20, 18, 13\).*scan case"):
        show(scan, volume(label.voxels[:, :, 1:]))
    unknown = volume(np.where(label.voxels == 2, 7, label.voxels), name="odd")
    with pytest.raises(LiverlibError, match=r"mask odd: holds \[7\]; expected 0 background"):
        show(scan, label, unknown)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"show": "difference"}, "difference.*possible: label"),
        ({"show": "all"}, "all.*possible: label"),
        ({"around": "spleen"}, "spleen.*'liver'"),
        ({"window": "brain"}, "brain.*liver, soft tissue"),
        ({"plane": "oblique"}, "oblique.*three, axial"),
    ],
)
def test_an_option_that_is_not_is_named(scan, label, options, words):
    with pytest.raises(LiverlibError, match=words):
        viewer.show(scan, label, **options)


def test_around_a_liver_that_is_not_there_is_refused(scan, label):
    with pytest.raises(LiverlibError, match="needs a label or mask with a liver"):
        viewer.show(scan, volume(np.zeros_like(label.voxels)), around="liver")


# ---- Lesions -------------------------------------------------------------------------------------


def test_lesions_are_listed_largest_first(scan, label):
    facts = viewer.show(scan, label).facts
    big, small = facts["lesions"]
    assert facts["lesions_note"] == "2 in the truth"
    # 8 voxels of 24 mm³; from corner to corner 2, 3 and 4 mm apart
    assert (big["name"], big["cells"]) == ("1", ["0.2", "5"])
    assert (small["at"], small["cells"]) == ([12, 10, 8], ["< 0.1", "0"])
    assert label.voxels[tuple(big["at"])] == 2


def test_with_a_mask_the_list_says_what_was_found_and_what_only_it_has(scan, label, mask):
    facts = viewer.show(scan, label, mask).facts
    assert [row["name"] for row in facts["lesions"]] == ["1", "2", "extra 1"]
    assert [row["cells"][2] for row in facts["lesions"]] == ["50%", "0%", "–"]
    assert facts["lesions"][2]["at"] == [13, 10, 8]
    assert facts["lesions_note"] == "2 in the truth, 1 only predicted"


def test_without_a_label_the_masks_lesions_are_listed(scan, mask):
    facts = viewer.show(scan, None, mask).facts
    assert facts["lesions_note"] == "2 in the prediction"
    assert [len(row["cells"]) for row in facts["lesions"]] == [2, 2]


def test_a_click_on_a_lesion_knows_the_pages_voxels(scan, label):
    small = volume(np.where(np.arange(20)[:, None, None] > 9, label.voxels, 0))
    facts = viewer.show(scan, small, around="liver").facts
    at = np.array(facts["lesions"][0]["at"]) + facts["origin"]
    assert at.tolist() == [12, 10, 8]


def test_of_very_many_lesions_the_largest_are_listed():
    classes = np.zeros((20, 20, 20), np.uint8)
    classes[::2, ::2, ::2] = 2
    classes[0:2, 0, 0] = 2
    facts = viewer.show(volume(np.zeros((20, 20, 20))), volume(classes)).facts
    assert len(facts["lesions"]) == 200
    assert facts["lesions_note"].endswith("(the 200 largest)")


def test_lesions_touch_by_faces_only():
    classes = np.zeros((4, 4, 4), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 0] = classes[1, 1, 1] = 2
    lesions = find_lesions(classes, Grid.of((4, 4, 4), np.diag([2.0, 2, 2, 1])))
    assert [lesion.voxels for lesion in lesions] == [2, 1]
    assert lesions[0].ml == pytest.approx(2 * 8 / 1000)
    assert lesions[0].longest_mm == pytest.approx(2)


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 1, 1), 0), ((40, 30, 1), np.hypot(39, 29)), ((12, 12, 12), 19.05)]
)
def test_the_longest_diameter_of_a_block_is_its_diagonal(shape, expected):
    assert longest_diameter(np.argwhere(np.ones(shape))) == pytest.approx(expected, abs=0.01)


# ---- The widgets ---------------------------------------------------------------------------------


def test_the_widget_shows_what_render_slice_draws(scan, label, mask):
    box = viewer.browse(scan, label, mask)
    box.show.value, box.opacity.value = "difference", 0.7
    box.outline.value, box.tumour.value = True, False
    box.window.value = "liver"
    box.slice.value = 6
    expected = render_slice(
        scan, "axial", 6, label=label, mask=mask, show="difference", opacity=0.7, contour=True,
        classes=(1,), window="liver",
    )  # fmt: skip
    assert box.picture.value == png(expected, 1.5, 400)


def test_the_slider_moves_through_the_chosen_plane(scan, label):
    box = viewer.browse(scan, label)
    for plane, slices in (("coronal", 18), ("sagittal", 20), ("axial", 14)):
        box.plane.value = plane
        assert box.slice.max == box.play.max == slices - 1
        assert box.slice.value == largest_slice(label, plane)
        expected = render_slice(scan, plane, box.slice.value, label=label)
        aspect = {"axial": 3 / 2, "coronal": 4 / 2, "sagittal": 4 / 3}[plane]
        assert box.picture.value == png(expected, aspect, 400)


def test_every_slice_is_another_picture(scan):
    box = viewer.browse(scan)
    pictures = set()
    for index in range(14):
        box.slice.value = index
        pictures.add(box.picture.value)
    assert len(pictures) == 14


def test_the_range_slider_and_the_presets_follow_each_other(scan):
    box = viewer.browse(scan)
    assert box.hounsfield.value == (-160, 240)
    box.window.value = "bone"
    assert box.hounsfield.value == (-500, 1300)
    box.hounsfield.value = (-100, 200)
    assert box.window.value == "own"
    expected = render_slice(scan, "axial", 7, window=(300, 50))
    assert box.picture.value == png(expected, 1.5, 400)


def test_buttons_go_from_tumour_to_tumour(scan, label):
    box = viewer.browse(scan, label)
    assert box.slice.value == 5
    seen = []
    for _ in range(3):
        box.next.click()
        seen.append(box.slice.value)
    assert seen == [6, 8, 8]
    box.previous.click()
    assert box.slice.value == 6
    box.slice.value = 0
    box.largest.click()
    assert box.slice.value == 5


@pytest.mark.parametrize("given", [(), ("label",), ("mask",)])
def test_only_what_is_there_can_be_chosen(scan, label, given):
    box = viewer.browse(scan, **dict.fromkeys(given, label))
    assert [value for _, value in box.show.options] == list(given or ("label",))
    assert box.show.disabled == box.tumour.disabled == (not given)
    assert box.next.disabled == (not given)


def test_without_a_tumour_the_buttons_rest(scan, label):
    box = viewer.browse(scan, volume(np.minimum(label.voxels, 1)))
    assert box.next.disabled
    assert box.previous.disabled
    assert box.largest.disabled


def test_the_widgets_caption_escapes_the_name(scan):
    box = viewer.browse(Volume(scan.voxels, scan.grid, HOSTILE))
    assert "<img" not in box.caption.value
    assert "R on the left, A up" in box.caption.value


def test_the_page_needs_neither_widgets_nor_torch():
    code = (
        "import sys, liverlib.browser; "
        "print([m for m in ('ipywidgets', 'torch', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
