"""What the slice browser's page holds: levels, classes, geometry, lesions."""

import gzip

import numpy as np
import pytest
from viewer_cases import LABEL, MASK, SCAN, volume

from liverlib.core.errors import LiverlibError
from liverlib.view.slices import HU_LEVELS, png, render_slice, to_levels
from liverlib.view.viewer.payload import make_payload


def payload(scan, label=None, mask=None, size=256, around=None):
    return make_payload(scan, label, mask, size, around)


def unpack(made, has_classes=True):
    """The levels and the pairs of classes that a page carries, as (X, Y, Z) arrays."""
    content = np.frombuffer(gzip.decompress(made.packed()), np.uint8)
    shape = made.facts["shape"]
    levels, pairs = content[: np.prod(shape)], content[np.prod(shape) :]
    levels = np.cumsum(levels, dtype=np.uint8).reshape(shape, order="F")
    return levels, pairs.reshape(shape, order="F") if has_classes else pairs


def test_the_page_carries_the_levels_and_the_classes():
    levels, pairs = unpack(payload(SCAN, LABEL, MASK))
    assert np.array_equal(levels, to_levels(SCAN.voxels))
    assert np.array_equal(pairs & 3, LABEL.voxels)
    assert np.array_equal(pairs >> 2, MASK.voxels)


@pytest.mark.parametrize(("with_label", "with_mask"), [(1, 0), (0, 1), (0, 0)])
def test_what_is_not_given_is_not_carried(with_label, with_mask):
    made = payload(SCAN, LABEL if with_label else None, MASK if with_mask else None)
    _, pairs = unpack(made, with_label or with_mask)
    assert made.facts["has"] == {"label": bool(with_label), "mask": bool(with_mask)}
    expected = LABEL.voxels if with_label else 4 * MASK.voxels if with_mask else np.zeros(0)
    assert np.array_equal(pairs, expected)


def test_a_large_volume_is_averaged_down_and_says_so():
    made = payload(SCAN, LABEL, size=9)
    assert made.facts["shape"] == (
        7,
        9,
        7,
    )  # by 3, 2 and 2; 7 · 3 > 20
    assert made.facts["factor"] == [3, 2, 2]
    assert made.facts["note"] == "20 × 18 × 14 voxels, shown averaged over 3 × 2 × 2"
    levels, pairs = unpack(made)
    block = (slice(3, 6), slice(2, 4), slice(0, 2))
    mean = SCAN.voxels[block].mean()
    assert levels[1, 1, 0] == to_levels(np.array(mean, np.float32))
    assert pairs[1, 1, 1] == 0  # a third of its block is liver
    assert pairs[2, 3, 3] == 1  # a sixth of it is tumour
    assert pairs[2, 2, 2] == 1


def test_a_lesion_in_the_last_slice_of_an_averaged_page_is_shown_there():
    classes = np.zeros((9, 9, 9), np.uint8)
    classes[4:6, 4:6, 8] = 2
    made = payload(volume(np.zeros((9, 9, 9))), volume(classes), size=5)
    (lesion,) = made.facts["lesions"]
    assert lesion["at"] == [2, 2, 4] and made.facts["shape"] == (5, 5, 5)
    assert unpack(made)[1][2, 2, 4] == 2


def test_tumour_is_what_half_of_a_block_is():
    classes = np.zeros((4, 4, 4), np.uint8)
    classes[:2, :2, :2] = 1
    classes[:2, :2, 0] = 2
    made = payload(volume(np.zeros((4, 4, 4))), volume(classes), size=2)
    assert unpack(made)[1][0, 0, 0] == 2


def test_around_the_liver_all_voxels_are_kept():
    made = payload(SCAN, LABEL, around="liver", size=4)
    assert made.facts["origin"] == [0, 0, 0]  # 10 mm are 5, 4 and 3 voxels
    assert made.facts["shape"] == (20, 18, 14)
    small = volume(np.where(np.arange(20)[:, None, None] == 10, LABEL.voxels, 0))
    made = payload(SCAN, small, around="liver")
    assert made.facts["origin"] == [5, 0, 0]
    assert made.facts["shape"] == (11, 18, 14)
    assert "cropped to 11 × 18 × 14 around the liver" in made.facts["note"]
    assert np.array_equal(unpack(made)[1], small.voxels[5:16])


@pytest.mark.parametrize("options", [{"size": 7}, {"around": "liver"}, {}])
def test_the_page_knows_where_its_voxels_lie(options):
    """The centre of a block of voxels is at their mean position, for an oblique grid too."""
    affine = np.array([[2, 0.3, 0, 5], [-0.2, 3, 0.1, 6], [0, 0.4, 4, -7], [0, 0, 0, 1.0]])
    oblique = volume(SCAN.voxels, affine=affine)
    facts = payload(oblique, volume(LABEL.voxels, affine=affine), **options).facts
    origin, factor = np.array(facts["origin"]), np.array(facts["factor"])
    inside = np.stack(np.mgrid[tuple(slice(f) for f in factor)], -1).reshape(-1, 3)
    at = np.array([1, 2, 1])
    positions = (origin + at * factor + inside) @ affine[:3, :3].T + affine[:3, 3]
    expected = np.array(facts["affine"]) @ [*at, 1]
    assert expected == pytest.approx(positions.mean(0))


def test_it_starts_in_the_largest_tumour_else_in_the_liver_else_in_the_middle():
    start = payload(SCAN, LABEL).facts["start"]
    assert LABEL.voxels[tuple(start)] == 2
    assert start[2] in (5, 6)
    liver = volume(np.minimum(LABEL.voxels, 1))
    assert liver.voxels[tuple(payload(SCAN, liver).facts["start"])] == 1
    assert payload(SCAN).facts["start"] == [10, 9, 7]
    assert payload(SCAN, volume(np.zeros_like(LABEL.voxels))).facts["start"] == [10, 9, 7]


def test_a_false_identity_affine_has_no_millimetres():
    identity = {"affine": np.eye(4)}
    facts = payload(volume(SCAN.voxels, **identity), volume(LABEL.voxels, **identity)).facts
    assert facts["spacing_known"] is False
    assert facts["lesions"][0]["cells"] == ["unknown", "unknown"]
    assert "spacing unknown" in facts["note"]


@pytest.mark.parametrize("value", [-1024, 0, 30000])
def test_a_constant_volume_is_shown(value):
    made = payload(volume(np.full((5, 6, 7), value, np.int16)))
    assert len(np.unique(unpack(made, False)[0])) == 1


def test_around_the_livers_of_both_is_around_either():
    """The box holds what the label and what the mask call liver, and one margin."""
    low = volume(np.where(np.arange(20)[:, None, None] == 8, LABEL.voxels, 0))
    high = volume(np.where(np.arange(20)[:, None, None] == 11, LABEL.voxels, 0))
    made = payload(SCAN, low, high, around="liver")
    assert (made.facts["origin"][0], made.facts["shape"][0]) == (3, 14)
    empty = volume(np.zeros_like(LABEL.voxels))
    assert payload(SCAN, empty, high, around="liver").facts["origin"][0] == 6


def test_the_best_slice_is_where_the_page_starts():
    made = payload(SCAN, LABEL, MASK)
    index = made.facts["start"][2]
    expected = render_slice(
        HU_LEVELS[to_levels(SCAN.voxels)], "axial", index, label=LABEL, mask=MASK, show="both",
        window=(150, 30), opacity=0.6,
    )  # fmt: skip
    assert made.best_slice("both", (150, 30), 0.6) == png(expected, 1.5, 320)


def test_around_a_liver_that_is_not_there_is_refused():
    with pytest.raises(LiverlibError, match="needs a label or mask with a liver"):
        payload(SCAN, volume(np.zeros_like(LABEL.voxels)), around="liver")


def test_lesions_are_listed_largest_first():
    facts = payload(SCAN, LABEL).facts
    big, small = facts["lesions"]
    assert facts["lesions_note"] == "2 in the reference"
    # 8 voxels of 24 mm³; from corner to corner 2, 3 and 4 mm apart
    assert (big["name"], big["cells"]) == ("1", ["0.2", "5"])
    assert (small["at"], small["cells"]) == ([12, 10, 8], ["< 0.1", "0"])
    assert LABEL.voxels[tuple(big["at"])] == 2


def test_with_a_mask_the_list_says_what_it_covers_and_what_only_it_has():
    facts = payload(SCAN, LABEL, MASK).facts
    assert [row["name"] for row in facts["lesions"]] == ["1", "2", "extra 1"]
    assert [row["cells"][2] for row in facts["lesions"]] == ["50%", "0%", "–"]
    assert facts["lesions"][2]["at"] == [13, 10, 8]
    assert facts["lesions_note"] == "2 in the reference, 1 only predicted"


def test_without_a_label_the_masks_lesions_are_listed():
    facts = payload(SCAN, None, MASK).facts
    assert facts["lesions_note"] == "2 in the prediction"
    assert [len(row["cells"]) for row in facts["lesions"]] == [2, 2]


def test_a_click_on_a_lesion_knows_the_pages_voxels():
    small = volume(np.where(np.arange(20)[:, None, None] > 9, LABEL.voxels, 0))
    facts = payload(SCAN, small, around="liver").facts
    at = np.array(facts["lesions"][0]["at"]) + facts["origin"]
    assert at.tolist() == [12, 10, 8]


def test_lesions_touch_by_faces_only():
    classes = np.zeros((4, 4, 4), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 0] = classes[1, 1, 1] = 2
    scan, label = (volume(array, spacing=(8, 8, 8)) for array in (np.zeros((4, 4, 4)), classes))
    facts = payload(scan, label).facts
    assert [row["cells"] for row in facts["lesions"]] == [["1.0", "8"], ["0.5", "0"]]


def test_of_very_many_lesions_the_largest_are_listed():
    classes = np.zeros((20, 20, 20), np.uint8)
    classes[::2, ::2, ::2] = 2
    classes[0:2, 0, 0] = 2
    facts = payload(volume(np.zeros((20, 20, 20))), volume(classes)).facts
    assert len(facts["lesions"]) == 200
    assert facts["lesions_note"].endswith("(the 200 largest)")
