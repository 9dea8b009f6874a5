"""The slice browser of ipywidgets, by the values of its widgets."""

import numpy as np
import pytest
from viewer_cases import HOSTILE, LABEL, MASK, SCAN, volume

from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Volume
from liverlib.view.slices import largest_slice, png, render_slice
from liverlib.view.viewer.page import browse


def test_the_widget_shows_what_render_slice_makes():
    box = browse(SCAN, LABEL, MASK)
    box.show.value, box.opacity.value = "difference", 0.7
    box.outline.value, box.tumour.value = True, False
    box.window.value = "liver"
    box.slice.value = 6
    expected = render_slice(
        SCAN, "axial", 6, label=LABEL, mask=MASK, show="difference", opacity=0.7, contour=True,
        classes=(1,), window="liver",
    )  # fmt: skip
    assert box.picture.value == png(expected, 1.5, 400)


def test_the_slider_moves_through_the_chosen_plane():
    box = browse(SCAN, LABEL)
    for plane, slices in (("coronal", 18), ("sagittal", 20), ("axial", 14)):
        box.plane.value = plane
        assert box.slice.max == box.play.max == slices - 1
        assert box.slice.value == largest_slice(LABEL, plane)
        expected = render_slice(SCAN, plane, box.slice.value, label=LABEL)
        aspect = {"axial": 3 / 2, "coronal": 4 / 2, "sagittal": 4 / 3}[plane]
        assert box.picture.value == png(expected, aspect, 400)


def test_every_slice_is_another_picture():
    box = browse(SCAN)
    pictures = set()
    for index in range(14):
        box.slice.value = index
        pictures.add(box.picture.value)
    assert len(pictures) == 14


def test_the_range_slider_and_the_presets_follow_each_other():
    box = browse(SCAN)
    assert box.hounsfield.value == (-160, 240)
    box.window.value = "bone"
    assert box.hounsfield.value == (-500, 1300)
    box.hounsfield.value = (-100, 200)
    assert box.window.value == "own"
    expected = render_slice(SCAN, "axial", 7, window=(300, 50))
    assert box.picture.value == png(expected, 1.5, 400)


def test_buttons_go_from_tumour_to_tumour():
    box = browse(SCAN, LABEL)
    assert box.slice.value == 5
    reached = []
    for _ in range(3):
        box.next.click()
        reached.append(box.slice.value)
    assert reached == [6, 8, 8]
    box.previous.click()
    assert box.slice.value == 6
    box.slice.value = 0
    box.largest.click()
    assert box.slice.value == 5


def test_label_and_mask_are_called_reference_and_prediction():
    words = [text for text, _ in browse(SCAN, LABEL, MASK).show.options]
    assert words == ["reference", "prediction", "both", "difference"]


@pytest.mark.parametrize("given", [(), ("label",), ("mask",)])
def test_only_what_is_given_can_be_chosen(given):
    box = browse(SCAN, **dict.fromkeys(given, LABEL))
    assert [value for _, value in box.show.options] == list(given or ("label",))
    assert box.show.disabled == box.tumour.disabled == (not given)
    assert box.next.disabled == (not given)


def test_without_a_tumour_the_buttons_rest():
    box = browse(SCAN, volume(np.minimum(LABEL.voxels, 1)))
    assert box.next.disabled
    assert box.previous.disabled
    assert box.largest.disabled


def test_the_widgets_caption_escapes_the_name():
    box = browse(Volume(SCAN.voxels, SCAN.grid, HOSTILE))
    assert "<img" not in box.caption.value
    assert "R on the left, A up" in box.caption.value


def test_an_unknown_plane_is_refused():
    with pytest.raises(LiverlibError, match="plane='three' is not known"):
        browse(SCAN, plane="three")
