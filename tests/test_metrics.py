import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liverlib.core.arrays import components, crop_to_content
from liverlib.core.errors import LiverlibError
from liverlib.evaluation.bootstrap import bootstrap_interval
from liverlib.evaluation.case import score_case
from liverlib.evaluation.lesion_matching import equivalent_diameter, lesion_overlaps, match
from liverlib.evaluation.overlap import dice, volume_ml
from liverlib.evaluation.summary import summarise
from liverlib.io.nifti import read_label

MASKS = hnp.arrays(bool, (6, 5, 4))
CLASSES = hnp.arrays(np.uint8, (7, 6, 5), elements=st.sampled_from([0, 0, 0, 1, 2]))


def boxes(*corners: tuple, shape=(40, 40, 40)) -> np.ndarray:
    """A label with a tumour in each box (x0, x1, y0, y1, z0, z1)."""
    label = np.zeros(shape, np.uint8)
    for x0, x1, y0, y1, z0, z1 in corners:
        label[x0:x1, y0:y1, z0:z1] = 2
    return label


def ball(radius: float, shape=(32, 32, 32)) -> np.ndarray:
    return sum((g - 15.5) ** 2 for g in np.ogrid[:32, :32, :32]) <= radius**2


def counts(one) -> tuple[int, int, int]:
    return one.found, one.false, one.missed


# --- overlap -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_is_symmetric_and_between_0_and_1(a, b):
    assert dice(a, b) == dice(b, a)
    assert 0 <= dice(a, b) <= 1
    assert dice(a, a) == 1


@settings(deadline=None)
@given(MASKS, MASKS)
def test_dice_follows_its_formula(a, b):
    if a.any() or b.any():
        assert dice(a, b) == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_dice_of_empty_masks_is_that_of_lits():
    full, empty = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    assert [dice(empty, empty), dice(empty, full), dice(full, empty)] == [1, 0, 0]


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(LiverlibError, match=r"\(3, 3, 3\) and \(3, 3, 4\).*own grid"):
        dice(np.ones((3, 3, 3)), np.ones((3, 3, 4)))
    with pytest.raises(LiverlibError, match="own grid"):
        score_case(np.ones((3, 3, 3)), np.ones((3, 3)))


def test_millilitres_come_from_the_spacing_and_are_unknown_without_it():
    mask = np.ones((10, 10, 10), bool)
    assert volume_ml(mask, (1, 1, 1)) == pytest.approx(1.0)
    assert volume_ml(mask, (0.5, 2, 3)) == pytest.approx(3.0)
    assert np.isnan(volume_ml(mask, None))


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_cropping_loses_no_voxel(a, b):
    small_a, small_b = crop_to_content(a, b)
    assert small_a.shape == small_b.shape
    assert (small_a.sum(), small_b.sum()) == (a.sum(), b.sum())
    assert (small_a != small_b).sum() == (a != b).sum()


# --- lesions -------------------------------------------------------------------------------------


def test_lesions_that_touch_by_an_edge_are_two():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 0] = True
    assert components(mask)[1] == 2
    mask[1, 0, 0] = True
    assert components(mask)[1] == 1


A = (5, 15, 5, 15, 5, 15)
PROBES = {  # (found, false, missed) at overlap > 0 and at IoU > ½: the LiTS scorer's own answers
    "identical": ([A], [A], (1, 0, 0), (1, 0, 0)),
    "IoU of exactly a half": ([A], [(5, 15, 5, 15, 5, 10)], (1, 0, 0), (0, 1, 1)),
    "IoU of 0.6": ([A], [(5, 15, 5, 15, 5, 11)], (1, 0, 0), (1, 0, 0)),
    "nothing predicted": ([A], [], (0, 0, 1), (0, 0, 1)),
    "nothing there": ([], [A], (0, 1, 0), (0, 1, 0)),
    "three lesions under one": (
        [(5, 17, 5, 15, 5, 15), (18, 20, 5, 15, 5, 15), (21, 23, 5, 15, 5, 15)],
        [(5, 23, 5, 15, 5, 15)],
        (1, 0, 2),
        (1, 0, 2),
    ),
    # The LiTS scorer merges the halves and calls the lesion found at both; one to one, at one.
    "a lesion split in two": (
        [A],
        [(5, 15, 5, 15, 5, 9), (5, 15, 5, 15, 10, 15)],
        (1, 1, 0),
        (0, 2, 1),
    ),
    # The official scorer counts -2 found, 3 false, 5 missed.
    "three small lesions under a large one": (
        [(5, 7, 5, 15, 5, 15), (10, 12, 5, 15, 5, 15), (15, 17, 5, 15, 5, 15)],
        [(5, 30, 5, 15, 5, 15)],
        (1, 0, 2),
        (0, 1, 3),
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_lesions_are_counted_as_defined_by_lits(name):
    reference, predicted, touched, detected = PROBES[name]
    score = score_case(boxes(*reference), boxes(*predicted), (1, 1, 1))
    assert counts(score.touched) == touched
    assert counts(score.detected) == detected


def test_an_unrelated_false_lesion_changes_nothing_else():
    stray = (0, 2, 0, 2, 0, 2)  # first in the order of the array: the official scorer errs here
    quarter = (5, 10, 5, 10, 5, 15)
    alone = score_case(boxes(A), boxes(quarter))
    beside = score_case(boxes(A), boxes(stray, quarter))
    assert counts(alone.detected) == (0, 1, 1)
    assert counts(beside.detected) == (0, 2, 1)
    assert counts(beside.touched) == (1, 1, 0)


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_found_missed_and_false_add_up(reference, predicted):
    score = score_case(reference, predicted, (2, 3, 4))
    n, m = components(reference == 2)[1], components(predicted == 2)[1]
    for one in (score.touched, score.detected):
        assert min(counts(one)) >= 0
        assert (one.found + one.missed, one.found + one.false) == (n, m)
    assert score.detected.found <= score.touched.found
    sums = np.sum([counts(one) for one in score.by_size.values()], axis=0)
    assert tuple(sums) == counts(score.detected)


@settings(deadline=None)
@given(CLASSES, CLASSES, st.permutations([0, 1, 2]))
def test_counts_do_not_hang_on_the_order_of_the_axes(reference, predicted, axes):
    turned = [one.transpose(axes)[::-1] for one in (reference, predicted)]
    ours, theirs = score_case(reference, predicted), score_case(*turned)
    assert (ours.touched, ours.detected) == (theirs.touched, theirs.detected)


@settings(deadline=None)
@given(hnp.arrays(float, (4, 5), elements=st.sampled_from([0, 0, 0.125, 0.25, 0.5])), st.data())
def test_as_many_pairs_are_matched_in_any_order(iou, data):
    rows, columns = (data.draw(st.permutations(range(n))) for n in iou.shape)
    assert len(match(iou, 0)[0]) == len(match(iou[np.ix_(rows, columns)], 0)[0])


def test_a_pair_above_one_half_is_always_found():
    iou = np.array([[0.51, 0.45], [0.45, 0.0]])  # the largest sum would leave 0.51 out
    assert [one.tolist() for one in match(iou, 0.5)] == [[0], [0]]


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_the_overlap_table_agrees_with_masks_compared_one_by_one(reference, predicted):
    iou, ours, theirs = lesion_overlaps(reference == 2, predicted == 2)
    for row in range(len(ours)):
        for column in range(len(theirs)):
            assert 0 <= iou[row, column] <= 1
    (a, n), (b, m) = (components(one) for one in crop_to_content(reference == 2, predicted == 2))
    expected = [
        [((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum() for j in range(1, m + 1)]
        for i in range(1, n + 1)
    ]
    np.testing.assert_allclose(iou, np.reshape(expected, (n, m)))


def test_sizes_are_equivalent_diameters():
    assert equivalent_diameter(ball(10).sum(), (1, 1, 1)) == pytest.approx(20, rel=0.01)
    assert equivalent_diameter(1000, (0.5, 0.5, 4)) == equivalent_diameter(1000, (1, 1, 1))
    reference = boxes((0, 4, 0, 4, 0, 4), (10, 20, 10, 20, 10, 20), (25, 39, 5, 25, 5, 25))
    score = score_case(reference, boxes((10, 20, 10, 20, 10, 20), (25, 28, 5, 8, 5, 8)), (1, 1, 1))
    assert {size: counts(one) for size, one in score.by_size.items()} == {
        "under 10 mm": (0, 1, 1),  # 5 mm missed, 4 mm made up
        "10 to 20 mm": (1, 0, 0),
        "over 20 mm": (0, 0, 1),
    }


# --- a case --------------------------------------------------------------------------------------


def test_liver_is_liver_and_tumour_together():
    reference, predicted = np.ones((4, 4, 4), np.uint8), np.ones((4, 4, 4), np.uint8)
    reference[:2], predicted[2:] = 2, 2
    score = score_case(reference, predicted, (10, 10, 10))
    assert (score.liver_dice, score.tumour_dice) == (1, 0)
    assert (score.liver_ml, score.tumour_ml, score.predicted_tumour_ml) == (64, 32, 32)
    assert (score.burden, score.predicted_burden) == (0.5, 0.5)


def test_tumour_drawn_where_there_is_none_is_measured():
    free = np.ones((4, 4, 4), np.uint8)
    drawn = free.copy()
    drawn[0, 0, :3] = 2
    score = score_case(free, drawn, (10, 10, 10))
    assert (score.tumour_dice, score.has_tumour) == (0, False)
    assert (score.false_tumour_voxels, score.false_tumour_ml) == (3, 3)
    assert score_case(free, free).tumour_dice == 1


def test_without_spacing_there_are_no_millilitres_and_no_sizes():
    score = score_case(boxes(A), boxes(A), None)
    assert np.isnan([score.liver_ml, score.tumour_ml, score.false_tumour_ml]).all()
    assert score.by_size == {}
    assert score.tumour_dice == 1


def test_empty_label_and_empty_mask_can_be_scored():
    score = score_case(np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3, 3), np.uint8), (1, 1, 1))
    assert (score.liver_dice, score.tumour_dice) == (1, 1)
    assert np.isnan([score.burden, score.detected.recall, score.detected.precision]).all()


def test_scores_survive_json():
    score = score_case(boxes(A), boxes(A, (20, 25, 20, 25, 20, 25)), (1, 1, 1))
    described = dataclasses.asdict(score)
    assert json.loads(json.dumps(described))["touched"] == described["touched"]
    summary = dataclasses.asdict(summarise([score, score]))
    assert json.loads(json.dumps(summary))["detected"]["precision"] == 0.5


def test_lesion_pairs_score_as_the_triaLS_evaluation_does(shared):
    cases = [pair(shared, name) for name in ("venous_0", "venous_11")]
    summary = summarise([score_case(*one) for one in cases])
    assert summary.tumour_dice.mean == pytest.approx(0.8734970954079257, abs=1e-14)
    assert summary.detected.precision == pytest.approx(0.8)
    assert summary.detected.recall == pytest.approx(0.8)
    assert (summary.touched.precision, summary.touched.recall) == (1, 1)


def pair(shared, name: str) -> tuple:
    reference = read_label(shared / "lesion_pairs" / "gt" / f"{name}.nii.gz", classes={1: 2})
    predicted = read_label(
        shared / "lesion_pairs" / "pred" / f"{name}.nii.gz", like=reference, classes={1: 2}
    )
    return reference.voxels, predicted.voxels, reference.grid.spacing


# --- many cases ----------------------------------------------------------------------------------


def test_cases_without_tumour_are_counted_apart():
    free = boxes(shape=(20, 20, 20)) + 1
    sick, half = free.copy(), free.copy()
    sick[:4, :4, :4], half[:4, :4, :2] = 2, 2
    scores = [score_case(*one, (10, 10, 10)) for one in ((sick, half), (free, free), (free, half))]
    summary = summarise(scores)
    assert (summary.cases, summary.tumour_free, summary.tumour_free_with_false) == (3, 2, 1)
    assert (summary.tumour_dice.mean, summary.tumour_dice.n) == (pytest.approx(2 / 3), 1)
    assert summary.tumour_dice_lits.mean == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert summary.false_tumour_ml == pytest.approx((0 + 32) / 2)
    assert counts(summary.touched) == (1, 1, 0)


def test_no_cases_make_an_empty_summary():
    summary = summarise([])
    assert (summary.cases, summary.liver_dice.n, summary.detected.found) == (0, 0, 0)
    assert np.isnan(summary.liver_dice.mean)


def test_intervals_repeat_hold_the_mean_and_narrow_with_more_cases():
    few = [0.5, 0.6, 0.7, 0.9]
    low, high = bootstrap_interval(few)
    assert (low, high) == bootstrap_interval(few)
    assert min(few) <= low < np.mean(few) < high <= max(few)
    narrow = bootstrap_interval(few * 20)
    assert narrow[1] - narrow[0] < (high - low) / 2
    assert bootstrap_interval([0.8]) == (0.8, 0.8)
    assert np.isnan(bootstrap_interval([])).all()


def test_the_interval_is_that_of_the_normal_law_where_that_holds():
    values = np.random.default_rng(1).normal(0.5, 0.1, 400)
    expected = values.mean() + np.array([-1.96, 1.96]) * values.std() / 20
    np.testing.assert_allclose(bootstrap_interval(values), expected, atol=0.001)
