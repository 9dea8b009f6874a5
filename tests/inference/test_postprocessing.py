import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from phantoms import simple_case
from scipy import ndimage
from stages import perfect, predicted

from liverlib.inference.postprocessing import (
    PostprocessSettings,
    outside_largest_component,
    postprocess,
    roi_box,
)
from liverlib.inference.prediction import Prediction
from liverlib.preprocessing.boxes import liver_box
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube


@pytest.mark.parametrize(
    ("settings", "liver", "tumour"),
    [
        (PostprocessSettings(), False, False),
        (PostprocessSettings(tumours_inside=False), False, True),
        (PostprocessSettings(largest_component=False), True, True),
        (PostprocessSettings(largest_component=False, tumours_inside=False), True, True),
    ],
)
def test_each_setting_takes_out_what_it_promises(grid, two_pieces, settings, liver, tumour):
    stage = predicted(grid, two_pieces, settings=settings)
    mask = Prediction(grid, "", [stage], settings).mask.voxels
    np.testing.assert_array_equal(mask[15:], two_pieces[15:])
    assert (mask[2:8] == 1).any() == liver
    assert (mask[4:6, 8:10, 8:10] == 2).all() == tumour
    assert (mask[:15] == 2).any() == tumour


def test_settings_describe_themselves():
    assert str(PostprocessSettings()) == (
        "liver: the largest piece; tumours: inside it, where they reach a probability of 0.98"
    )
    assert "tumours: anywhere" in str(PostprocessSettings(tumours_inside=False))
    assert "liver: every piece" in str(PostprocessSettings(largest_component=False))


@pytest.mark.parametrize(("least", "stays"), [(0.0, True), (0.6, True), (0.7, False)])
def test_lesions_that_no_probability_is_high_in_become_liver(grid, two_pieces, least, stays):
    """Two networks of three predict the tumours: a probability of two thirds."""
    free = np.minimum(two_pieces, 1)
    settings = PostprocessSettings(min_lesion_probability=least)
    stage = predicted(grid, two_pieces, free, two_pieces, settings=settings)
    mask = Prediction(grid, "", [stage], settings).mask.voxels
    assert (mask[25:28, 20:23, 20:23] == (2 if stays else 1)).all()
    np.testing.assert_array_equal(mask[20:35] > 0, two_pieces[20:35] > 0)


def test_a_lesion_that_is_certain_somewhere_keeps_its_rim():
    probabilities = np.zeros((2, 9, 9, 9), np.float32)
    probabilities[0] = 1
    probabilities[1, 1:4, 1:4, 1:4], probabilities[1, 2, 2, 2] = 0.55, 0.99
    probabilities[1, 5:8, 5:8, 5:8] = 0.97  # of a higher mean, certain nowhere
    tumour = postprocess(probabilities)[1] >= 0.5
    assert tumour[1:4, 1:4, 1:4].all() and tumour.sum() == 27


def test_nothing_is_taken_from_a_single_piece():
    values = np.random.default_rng(0).random((2, 8, 8, 8)).astype(np.float32)
    values[0] = 0.9
    kept = postprocess(values, PostprocessSettings(min_lesion_probability=0))
    np.testing.assert_array_equal(kept, values)


@pytest.mark.filterwarnings("error")
def test_a_liver_all_of_tumour_is_kept():
    everything = np.ones((2, 5, 5, 5), np.float32)
    np.testing.assert_array_equal(postprocess(everything), everything)


def test_of_the_liver_the_largest_piece_is_kept():
    probabilities = np.zeros((2, 9, 9, 9), np.float32)
    probabilities[0, :5, :5, :5], probabilities[0, 7:, 7:, 7:] = 1, 1
    probabilities[:, 2, 2, 2], probabilities[:, 8, 8, 8] = 1, 1
    before = probabilities.copy()
    kept = postprocess(probabilities)
    assert kept[1, 2, 2, 2] == 1
    assert not kept[:, 7:].any()
    np.testing.assert_array_equal(probabilities, before)


def test_outside_the_largest_component_lies_every_other_piece():
    mask = np.zeros((6, 6, 6), bool)
    mask[:3, :3, :3], mask[3, 3, 3], mask[5] = True, True, True  # 27, touching by a corner, 36
    outside = outside_largest_component(mask)
    assert outside.sum() == 28 and not outside[5].any()
    assert not outside_largest_component(mask[5:]).any()
    assert not outside_largest_component(np.zeros((2, 2, 2), bool)).any()


@settings(deadline=None)
@given(arrays(np.uint8, (5, 6, 7), elements=st.integers(0, 2)), st.permutations([0, 1, 2]))
def test_what_is_removed_is_what_labelling_the_whole_removes(classes, axes):
    mask = classes.transpose(axes)
    numbered, count = ndimage.label(mask > 0)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    largest = 1 + np.argmax(sizes[1:]) if count else 0
    np.testing.assert_array_equal(
        outside_largest_component(mask), (numbered > 0) & (numbered != largest)
    )


def test_the_box_of_the_predicted_liver_is_the_labels_own_to_a_voxel_of_the_cube():
    scan, label = simple_case(size=48)
    cube, probabilities = perfect(to_cube(scan, label, CubeSettings()))
    box = roi_box(cube, probabilities, scan.grid.spacing)
    expected = liver_box(label.voxels > 0, scan.grid.spacing)
    for side, exact in zip(box, expected, strict=True):
        assert abs(side.start - exact.start) <= 2 and abs(side.stop - exact.stop) <= 2
    assert roi_box(cube, np.zeros_like(probabilities), scan.grid.spacing) is None


@pytest.mark.parametrize("size", [112, 176, 208])
def test_the_box_of_a_liver_at_the_scans_end_ends_there(size):
    liver = np.zeros((2, size, size, size), np.float32)
    liver[0, size // 2 :, size // 2 :, size // 2 :] = 1
    image = np.empty(liver.shape[1:], np.uint8)
    for stop in range(size // 2, 2 * size, 7):
        sides = (slice(5, stop), slice(0, stop), slice(3, stop))
        cube = Cube(image, None, sides, (stop,) * 3)
        assert [side.stop for side in roi_box(cube, liver, np.ones(3))] == [stop] * 3


LARGE = """
import resource, numpy as np
from liverlib.inference.postprocessing import outside_largest_component
mask = np.zeros((600, 600, 600), np.uint8, order="F")
mask[50:550, 50:550, 50:400] = mask[100:200, 100:200, 450:500] = 1
held = int(next(x for x in open("/proc/self/statm")).split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 300_000_000,) * 2)
print(np.count_nonzero(outside_largest_component(mask)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_of_a_large_mask_no_array_of_numbers_is_made():
    """Numbers of 32 bits for 216 million voxels would be 864 MB."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "500000", done.stderr
