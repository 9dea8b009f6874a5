"""The classes on the scan's own grid: packed into the page, and what comes back from it."""

import base64
import gzip

import nibabel as nib
import numpy as np
import pytest
from viewer_cases import LABEL, MASK, SCAN, sent, volume

from liverlib.core.errors import LiverlibError
from liverlib.io.volume import Grid, Volume
from liverlib.view.viewer.scan_grid import classes_box, packed_classes, received_mask, scan_facts


def test_the_box_of_both_is_packed():
    box = classes_box(LABEL, MASK)
    assert box == (slice(4, 17), slice(4, 14), slice(3, 11))
    pairs = np.frombuffer(gzip.decompress(packed_classes(LABEL, MASK, box)), np.uint8)
    pairs = pairs.reshape([side.stop - side.start for side in box], order="F")
    assert np.array_equal(pairs & 3, LABEL.voxels[box])
    assert np.array_equal(pairs >> 2, MASK.voxels[box])
    assert packed_classes(LABEL, MASK, box) == packed_classes(LABEL, MASK, box)


def test_without_classes_nothing_is_packed():
    assert packed_classes(None, None, classes_box(None, None)) == b""
    empty = volume(np.zeros_like(LABEL.voxels))
    assert gzip.decompress(packed_classes(empty, None, classes_box(empty, None))) == b""


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "PSR", "IPL"])
def test_the_page_knows_the_order_of_the_file(orientation):
    """Its header, and the axes that bring an array in RAS order into the file's."""
    grid = Grid.of((4, 5, 6), np.diag([1.0, 2, 3, 1]), orientation)
    voxels = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    facts = scan_facts(Volume(voxels, grid, "case"), classes_box(None, None), "mask")
    axes = [axis for axis, _ in facts["axes"]]
    flips = tuple(slice(None, None, -1 if against else 1) for _, against in facts["axes"])
    assert np.array_equal(voxels.transpose(axes)[flips], grid.to_stored(voxels))
    header = base64.b64decode(facts["header"])
    stored = grid.to_stored(voxels)
    image = nib.Nifti1Image.from_bytes(header + stored.tobytes(order="F"))
    assert np.array_equal(np.asarray(image.dataobj), stored)
    assert np.allclose(image.affine, grid.header.get_best_affine())


def test_what_a_page_sends_is_the_mask():
    box = LABEL.voxels[4:16, 4:14, 3:11]
    made = received_mask(sent(box, (4, 4, 3)), LABEL.grid, "mask")
    assert np.array_equal(made.voxels, LABEL.voxels)
    assert (made.name, made.grid) == ("mask", LABEL.grid)
    nothing = received_mask("3,2,1;0,0,0;" + base64.b64encode(gzip.compress(b"")).decode(),
                            LABEL.grid, "mask")  # fmt: skip
    assert not nothing.voxels.any()


@pytest.mark.parametrize(
    "text",
    [
        "", "a mask", "0,0,0;1,1,1", "0,0,0;1,1,1;AAAA", "0,0,0;1,1,1;=", "-1,0,0;1,1,1;AAAA",
        sent(np.full((1, 1, 1), 3)), sent(np.zeros((2, 2, 2)), (19, 0, 0)),
        sent(np.zeros((2, 2, 2))).replace("2,2,2", "2,2,3"),
        sent(np.zeros((2, 2, 2))).replace("2,2,2", "2,2,1"),
    ],
    ids=range(10),  # gzip's time is in the texts
)  # fmt: skip
def test_what_is_no_mask_of_the_scan_is_refused(text):
    with pytest.raises(LiverlibError, match=r"no mask of this scan.*read_label"):
        received_mask(text, SCAN.grid, "mask")


def test_no_more_is_inflated_than_the_box_holds():
    """A text of a few bytes cannot fill the memory."""
    bomb = base64.b64encode(gzip.compress(bytes(50_000_000))).decode()
    with pytest.raises(LiverlibError, match="no mask"):
        received_mask(f"0,0,0;2,2,2;{bomb}", SCAN.grid, "mask")
