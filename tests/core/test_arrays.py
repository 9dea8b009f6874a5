import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from liverlib.core.arrays import (
    components,
    count_classes,
    crop_to_content,
    enough_memory,
    find_pieces,
    ratio,
)
from liverlib.core.errors import LiverlibError

CLASSES = arrays(np.uint8, (5, 6, 7), elements=st.integers(0, 2))


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_cropping_loses_no_voxel(a, b):
    small_a, small_b = crop_to_content(a, b)
    assert small_a.shape == small_b.shape
    assert (small_a.sum(), small_b.sum()) == (a.sum(), b.sum())
    assert (small_a != small_b).sum() == (a != b).sum()


def test_cropping_leaves_the_box_around_the_content_of_all():
    a, b = np.zeros((5, 6, 7)), np.zeros((5, 6, 7))
    a[1, 2, 3], b[3, 2, 4] = 1, 1
    assert [view.shape for view in crop_to_content(a, b)] == [(3, 1, 2)] * 2
    assert crop_to_content(np.zeros((2, 2, 2)))[0].size == 0


def test_arrays_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match=r"shapes \(2, 2, 2\) and \(2, 2, 3\)"):
        crop_to_content(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)))


def test_voxels_connect_through_faces_and_not_through_edges():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 0] = True
    assert components(mask)[1] == 2
    mask[1, 0, 0] = True
    assert components(mask)[1] == 1


@settings(deadline=None)
@given(
    arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 2)),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
    st.sampled_from([None, 1, 2]),
)
def test_pieces_are_the_components_of_scipy_in_every_layout(classes, axes, steps, value):
    classes = classes.transpose(axes)[tuple(slice(None, None, step) for step in steps)]
    numbered, count = ndimage.label(classes != 0 if value is None else classes == value)
    pieces = find_pieces(classes, value)
    np.testing.assert_array_equal(pieces.sizes, np.bincount(numbered.ravel(), minlength=1)[1:])
    for i, box in enumerate(ndimage.find_objects(numbered)):
        mask, filled = pieces.part(i)
        assert filled == box
        np.testing.assert_array_equal(mask, numbered[box] == i + 1)
    chosen = np.arange(count) % 2 == 0
    np.testing.assert_array_equal(pieces.mask(chosen), np.append(False, chosen)[numbered])
    assert count_classes(classes) == np.bincount(classes.ravel(), minlength=3).tolist()


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CPU: can't allocate memory"), OSError(errno.ENOMEM, "no memory")],
)
def test_a_lack_of_memory_is_told_with_the_scan_and_its_size(error):
    with (
        pytest.raises(LiverlibError, match=r"ct: not enough memory: 9 × 8 × 700 .* take 0\.1 MB"),
        enough_memory("ct", (9, 8, 700)),
    ):
        raise error
    for other in (RuntimeError("another"), OSError(errno.EACCES, "another")):
        with pytest.raises(type(other), match="another"), enough_memory("ct", (9, 8, 7)):
            raise other


def test_a_ratio_to_nothing_is_unknown():
    assert ratio(1, 4) == 0.25
    assert np.isnan(ratio(1, 0))
