import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.preprocessing.resample import axis_weights, clip, forwards, resampled, used


@given(n=st.integers(2, 300), size=st.integers(2, 130), part=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_image_and_label_stay_registered_at_every_ratio(n, size, part):
    """A ramp crosses zero where the resampled step is half full: to half the coarser voxel."""
    weights = axis_weights(n, size, 0, n, "area")
    edge = part * n
    ramp = np.arange(n) + 0.5 - edge
    step = np.clip(ramp + 0.5, 0, 1)  # how much of each voxel lies beyond the edge
    ramp_edge = np.interp(0, weights @ ramp, np.arange(size), left=-1, right=size)
    step_edge = np.interp(0.5, weights @ step, np.arange(size), left=-1, right=size)
    if 1 < ramp_edge < size - 2:
        half = max(0.5, n / size / 2) + 1e-3  # of the coarser voxel, in native voxels
        assert abs(ramp_edge - step_edge) * n / size <= half
        assert abs((ramp_edge + 0.5) * n / size - edge) <= half


@given(n=st.integers(2, 300), size=st.integers(2, 130))
@settings(max_examples=60, deadline=None)
def test_resampling_keeps_a_constant_and_the_order_of_voxels(n, size):
    weights = axis_weights(n, size, 0, n, "area")
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    centres = weights @ np.arange(n)
    assert (np.diff(centres) >= -1e-4).all()
    np.testing.assert_allclose(centres + centres[::-1], n - 1, atol=1e-3)  # nothing is shifted


def by_matrices(voxels, box, size, method):
    """The same without slabs, bands or blocks."""
    for axis, (n, (start, stop)) in enumerate(zip(size, box, strict=True)):
        weights = axis_weights(voxels.shape[axis], n, start, stop, method)
        voxels = np.moveaxis(np.tensordot(weights, voxels, (1, axis)), 0, axis)
    return voxels


@pytest.mark.parametrize("method", ["area", "nearest"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize(
    ("box", "size"),
    [
        (((0, 30), (0, 25), (0, 40)), (7, 9, 11)),  # down
        (((3, 12), (2, 9), (5, 11)), (31, 20, 17)),  # up
        (((-4, 33), (1, 20), (-2, 45)), (9, 30, 12)),  # beyond the array, where all is zero
        (((2.5, 20.25), (0.5, 24.5), (1.75, 30)), (16, 8, 5)),  # within voxels
    ],
)
def test_slabs_are_what_three_matrices_give(box, size, order, method):
    values = np.random.default_rng(0).normal(size=(30, 25, 40)).astype(np.float32)
    stored = np.ascontiguousarray(values.transpose(order))  # any axis may be the slowest
    voxels = stored.transpose(np.argsort(order))
    slabs = list(resampled(voxels, box, size, method))
    assert max(slab.shape[2] for slab in slabs) <= 2
    expected = by_matrices(values, box, size, method)
    np.testing.assert_allclose(np.concatenate(slabs, axis=2), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("window", [(-60, 200), (-60.5, 200), (-1e6, 1e6)])
def test_values_are_clipped_to_the_window_whatever_holds_them(dtype, window):
    voxels = np.arange(0 if dtype == np.uint8 else -500, 250, dtype=dtype)
    clipped = clip(voxels.dtype, *window)(voxels)
    np.testing.assert_array_equal(clipped.astype(float), np.clip(voxels.astype(float), *window))


def test_a_view_is_turned_to_go_forwards_through_memory():
    voxels = np.arange(24).reshape(2, 3, 4)[::-1, :, ::-1]
    turned = voxels[forwards(voxels)]
    assert min(turned.strides) > 0
    np.testing.assert_array_equal(turned[forwards(voxels)], voxels)


def test_the_used_range_is_that_of_all_rows_and_never_empty():
    weights = np.zeros((3, 9))
    assert used(weights) == slice(0, 1)
    weights[0, 4], weights[2, 6] = 1, 1
    assert used(weights) == slice(4, 7)
