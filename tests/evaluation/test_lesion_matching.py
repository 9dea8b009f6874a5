import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from masks import CLASSES, CUBOID, cuboids
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array

from liverlib.core.arrays import components, crop_to_content
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_matching import (
    LesionCounts,
    equivalent_diameter,
    lesion_counts,
    match,
    match_lesions,
    pool,
)


def triple(counts: LesionCounts) -> tuple[int, int, int]:
    return counts.tp, counts.fp, counts.fn


def detected(reference: np.ndarray, predicted: np.ndarray) -> tuple[tuple, tuple]:
    """(tp, fp, fn) of two labels at IoU > 0 and > 0.5."""
    lesions = match_lesions(reference == 2, predicted == 2)
    return triple(lesions.counts(above=0)), triple(lesions.counts(above=0.5))


def test_lesions_that_touch_by_an_edge_are_two():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 0] = True
    assert len(match_lesions(mask, mask).reference_voxels) == 2
    mask[1, 0, 0] = True
    assert len(match_lesions(mask, mask).reference_voxels) == 1


PROBES = {  # (tp, fp, fn) at IoU > 0 and > ½: the LiTS scorer's own answers
    "identical": ([CUBOID], [CUBOID], (1, 0, 0), (1, 0, 0)),
    "IoU of exactly a half": ([CUBOID], [(5, 15, 5, 15, 5, 10)], (1, 0, 0), (0, 1, 1)),
    "IoU of 0.6": ([CUBOID], [(5, 15, 5, 15, 5, 11)], (1, 0, 0), (1, 0, 0)),
    "nothing predicted": ([CUBOID], [], (0, 0, 1), (0, 0, 1)),
    "nothing in the reference": ([], [CUBOID], (0, 1, 0), (0, 1, 0)),
    "three lesions under one": (
        [(5, 17, 5, 15, 5, 15), (18, 20, 5, 15, 5, 15), (21, 23, 5, 15, 5, 15)],
        [(5, 23, 5, 15, 5, 15)],
        (1, 0, 2),
        (1, 0, 2),
    ),
    # The LiTS scorer merges the halves: detected at both. One to one, it is detected at one.
    "a lesion split in two": (
        [CUBOID],
        [(5, 15, 5, 15, 5, 9), (5, 15, 5, 15, 10, 15)],
        (1, 1, 0),
        (0, 2, 1),
    ),
    # The official scorer counts tp -2, fp 3, fn 5.
    "three small lesions under a large one": (
        [(5, 7, 5, 15, 5, 15), (10, 12, 5, 15, 5, 15), (15, 17, 5, 15, 5, 15)],
        [(5, 30, 5, 15, 5, 15)],
        (1, 0, 2),
        (0, 1, 3),
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_lesions_are_counted_as_defined_by_lits(name):
    reference, predicted, *expected = PROBES[name]
    assert detected(cuboids(*reference), cuboids(*predicted)) == tuple(expected)


def test_an_unrelated_false_lesion_changes_nothing_else():
    stray = (0, 2, 0, 2, 0, 2)  # first in the order of the array: the official scorer errs here
    quarter = (5, 10, 5, 10, 5, 15)
    alone = detected(cuboids(CUBOID), cuboids(quarter))
    beside = detected(cuboids(CUBOID), cuboids(stray, quarter))
    assert alone == ((1, 0, 0), (0, 1, 1))
    assert beside == ((1, 1, 0), (0, 2, 1))


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_an_unrelated_false_lesion_adds_one_fp_and_changes_no_other_count(reference, predicted):
    def moved(classes: np.ndarray, first: int) -> np.ndarray:
        wide = np.zeros((11, 6, 5), np.uint8)
        wide[first : first + 7] = classes
        return wide

    for first, stray in ((4, 0), (0, 10)):  # before all others in the order of the array, or after
        wide_reference, wide_predicted = moved(reference, first), moved(predicted, first)
        before = detected(wide_reference, wide_predicted)
        wide_predicted[stray, 0, 0] = 2
        after = detected(wide_reference, wide_predicted)
        assert after == tuple((tp, fp + 1, fn) for tp, fp, fn in before)


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_tp_fn_and_fp_add_up(reference, predicted):
    lesions = match_lesions(reference == 2, predicted == 2)
    n, m = components(reference == 2)[1], components(predicted == 2)[1]
    at_0, at_50 = lesions.counts(above=0), lesions.counts(above=0.5)
    for counts in (at_0, at_50):
        assert min(triple(counts)) >= 0
        assert (counts.tp + counts.fn, counts.tp + counts.fp) == (n, m)
    assert at_50.tp <= at_0.tp
    by_size = lesions.counts_by_size((2, 3, 4)).values()
    assert tuple(np.sum([triple(counts) for counts in by_size], axis=0)) == triple(at_50)
    assert len(list(lesions.pairs(above=0.5))) == at_50.tp


@settings(deadline=None)
@given(CLASSES, CLASSES, st.permutations([0, 1, 2]))
def test_counts_do_not_depend_on_the_order_of_the_axes(reference, predicted, axes):
    turned = [classes.transpose(axes)[::-1] for classes in (reference, predicted)]
    assert detected(*turned) == detected(reference, predicted)


@settings(deadline=None)
@given(hnp.arrays(float, (4, 5), elements=st.sampled_from([0, 0, 0.125, 0.25, 0.5])), st.data())
def test_as_many_pairs_are_matched_in_any_order(iou, data):
    rows, columns = (data.draw(st.permutations(range(n))) for n in iou.shape)
    moved = iou[np.ix_(rows, columns)]
    assert len(match(coo_array(iou), 0)[0]) == len(match(coo_array(moved), 0)[0])


@settings(deadline=None)
@given(
    hnp.arrays(float, (5, 4), elements=st.sampled_from([0, 0, 0.1, 0.125, 0.3, 0.6, 1])),
    st.sampled_from([0, 0.2, 0.5]),
)
def test_the_pairs_are_those_of_the_dense_table(iou, above):
    rows, columns = match(coo_array(iou), above)
    assert (len(set(rows)), len(set(columns))) == (len(rows), len(rows))
    assert (iou[rows, columns] > above).all()
    allowed = np.where(iou > above, iou + 1e-9, 0)
    best = allowed[linear_sum_assignment(allowed, maximize=True)]
    assert len(rows) == np.count_nonzero(best)
    assert iou[rows, columns].sum() == pytest.approx(best.sum(), abs=1e-7)


def test_noise_is_matched_in_little_memory():
    """A dense table of these would hold 51 million entries."""
    reference = np.zeros((40, 80, 80), bool)
    predicted = np.ones_like(reference)
    predicted[:, 1::2] = predicted[:, :, 1::2] = predicted[1::2] = False
    reference[:, ::2, ::2] = True  # columns, with 20 specks in each
    lesions = match_lesions(reference, predicted)
    assert lesions.shared.shape == (1600, 32_000) and lesions.shared.nnz == 32_000
    assert triple(lesions.counts(above=0)) == (1600, 30_400, 0)


def test_a_pair_above_one_half_is_always_matched():
    iou = np.array([[0.51, 0.45], [0.45, 0.0]])  # the largest sum would leave 0.51 out
    assert [indices.tolist() for indices in match(coo_array(iou), 0.5)] == [[0], [0]]


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_the_table_of_iou_agrees_with_masks_compared_pair_by_pair(reference, predicted):
    iou = match_lesions(reference == 2, predicted == 2).iou.toarray()
    assert ((iou >= 0) & (iou <= 1)).all()
    cropped = crop_to_content(reference == 2, predicted == 2)
    (a, n), (b, m) = (components(mask) for mask in cropped)
    expected = [
        [((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum() for j in range(1, m + 1)]
        for i in range(1, n + 1)
    ]
    np.testing.assert_allclose(iou, np.reshape(expected, (n, m)))


def test_pairs_are_the_whole_lesions_and_nothing_beside_them():
    reference = cuboids((0, 2, 0, 2, 0, 2), CUBOID)
    predicted = cuboids((5, 15, 5, 15, 5, 18), (30, 32, 30, 32, 30, 32))
    ((lesion, prediction),) = match_lesions(reference, predicted).pairs(above=0.5)
    assert lesion.shape == prediction.shape
    assert (lesion.sum(), prediction.sum()) == (1000, 1300)
    assert (lesion & prediction).sum() == 1000


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match="own grid"):
        match_lesions(np.ones((3, 3, 3)), np.ones((3, 3, 4)))


def ball(radius: float) -> np.ndarray:
    return sum((axis - 15.5) ** 2 for axis in np.ogrid[:32, :32, :32]) <= radius**2


def test_sizes_are_equivalent_diameters():
    assert equivalent_diameter(ball(10).sum(), (1, 1, 1)) == pytest.approx(20, rel=0.01)
    assert equivalent_diameter(1000, (0.5, 0.5, 4)) == equivalent_diameter(1000, (1, 1, 1))
    reference = cuboids((0, 4, 0, 4, 0, 4), (10, 20, 10, 20, 10, 20), (25, 39, 5, 25, 5, 25))
    predicted = cuboids((10, 20, 10, 20, 10, 20), (25, 28, 5, 8, 5, 8))
    by_size = match_lesions(reference, predicted).counts_by_size((1, 1, 1))
    assert {size: triple(counts) for size, counts in by_size.items()} == {
        "under 10 mm": (0, 1, 1),  # a false negative of 5 mm, a false positive of 4
        "10 to 20 mm": (1, 0, 0),
        "over 20 mm": (0, 0, 1),
    }


def test_pooled_counts_are_sums_and_their_quotients_those_of_the_sums():
    pooled = pool([lesion_counts(1, 2, 0), lesion_counts(3, 0, 2)])
    assert (pooled.tp, pooled.fn, pooled.fp) == (4, 2, 2)
    assert (pooled.precision, pooled.recall) == pytest.approx((4 / 6, 4 / 6))
    assert pooled.f1 == pytest.approx(8 / 12)
    nothing = pool([])
    assert triple(nothing) == (0, 0, 0)
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1]).all()
