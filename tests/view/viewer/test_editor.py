"""The editor's widget without a browser: what the page sends becomes the mask."""

import numpy as np
import pytest
from viewer_cases import LABEL, MASK, SCAN, sent, volume

import liverlib as ll
from liverlib.core.errors import LiverlibError
from liverlib.view.viewer.page import edit


def test_before_anything_is_painted_the_mask_is_the_given_one():
    editor = edit(SCAN, MASK)
    assert np.array_equal(editor.mask.voxels, MASK.voxels)
    assert editor.mask.grid is SCAN.grid
    assert ll.edit is edit


def test_without_a_mask_it_begins_with_an_empty_one():
    editor = edit(SCAN, label=LABEL)
    assert not editor.mask.voxels.any()
    assert editor.page.facts["scan"]["edits"] == "mask"
    assert editor.page.facts["has"] == {"label": True, "mask": True}


def test_what_the_page_sends_is_the_mask():
    editor = edit(SCAN, MASK)
    editor.sent.value = sent(LABEL.voxels)
    assert np.array_equal(editor.mask.voxels, LABEL.voxels)
    assert editor.mask is editor.mask  # unpacked once
    editor.sent.value = sent(MASK.voxels)
    assert np.array_equal(editor.mask.voxels, MASK.voxels)


def test_what_is_no_mask_is_refused_and_the_next_one_taken():
    editor = edit(SCAN, MASK)
    editor.sent.value = "no mask"
    with pytest.raises(LiverlibError, match="no mask of this scan"):
        _ = editor.mask
    editor.sent.value = sent(LABEL.voxels)
    assert np.array_equal(editor.mask.voxels, LABEL.voxels)


def test_the_page_is_in_the_widget_with_its_tools_open(tmp_path):
    editor = edit(SCAN, MASK, title="A case")
    frame, text = editor.children
    assert frame.value == editor.page._repr_html_()
    assert text.layout.display == "none"
    assert "liverlib-editor" in editor._dom_classes
    assert editor.page.facts["editing"] is True
    page = editor.save(tmp_path / "edit.html").read_text(encoding="utf-8")
    assert page == editor.page.html


def test_other_shapes_and_planes_are_refused():
    with pytest.raises(LiverlibError, match="its shape is"):
        edit(SCAN, volume(np.zeros((3, 3, 3), np.uint8)))
    with pytest.raises(LiverlibError, match="plane='top'"):
        edit(SCAN, MASK, plane="top")


def test_the_mask_is_uint8_before_anything_is_painted():
    assert edit(SCAN, volume(MASK.voxels.astype(np.int64))).mask.voxels.dtype == np.uint8
