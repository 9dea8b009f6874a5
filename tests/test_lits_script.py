import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liverlib.evaluation.lits_script import script_case, script_column
from liverlib.io.nifti import read_label

CLASSES = hnp.arrays(np.uint8, (7, 6, 5), elements=st.sampled_from([0, 0, 0, 1, 2]))
A = (5, 15, 5, 15, 5, 15)


def boxes(*corners: tuple) -> np.ndarray:
    label = np.ones((40, 40, 40), np.uint8)
    for x0, x1, y0, y1, z0, z1 in corners:
        label[x0:x1, y0:y1, z0:z1] = 2
    return label


def counts(reference: list, predicted: list) -> list[tuple]:
    """True positive, false positive and false negative at overlap > 0 and > 0.5."""
    case = script_case(boxes(*reference), boxes(*predicted), (1, 1, 1))
    return [case.counts[0.0], case.counts[0.5]]


def test_the_script_gives_what_triALS_published(shared):
    folder, cases = shared / "lesion_pairs", []
    for name in ("venous_0", "venous_11"):
        ours = read_label(folder / "gt" / f"{name}.nii.gz", classes={1: 2})
        theirs = read_label(folder / "pred" / f"{name}.nii.gz", like=ours, classes={1: 2})
        stored = (one.grid.to_stored(one.voxels) for one in (ours, theirs))
        cases.append(script_case(*stored, ours.grid.header.get_zooms()[:3]))
    column = script_column(cases)
    expected = {
        ("lesion found", "Dice"): 0.8767814601809033,
        ("lesion found", "VOE"): 0.2183007538432856,
        ("lesion found", "RVD"): 0.07925593492650387,
        ("lesion found", "ASSD"): 0.5891962909208087,
        ("lesion found", "RMSD"): 0.9451723162962817,
        ("lesion found", "MSSD"): 5.4471563162678365,
        ("tumour", "Dice, LiTS rule"): 0.8734970954079257,
        ("tumour", "Dice global"): 0.8827353964438224,
        ("lesion, overlap > 0.5", "precision"): 0.8,
        ("lesion, overlap > 0.5", "recall"): 0.8,
        ("lesion, overlap > 0", "precision"): 1.0,
        ("lesion, overlap > 0", "recall"): 1.0,
    }
    assert {key: column[key] for key in expected} == pytest.approx(expected, abs=1e-12)


HALF, SIX = [(5, 15, 5, 15, 5, 10)], [(5, 15, 5, 15, 5, 11)]
PROBES = {  # what the script answers
    "identical": ([A], [A], [(1, 0, 0), (1, 0, 0)]),
    "IoU of exactly a half": ([A], HALF, [(1, 0, 0), (0, 1, 1)]),
    "IoU of 0.6": ([A], SIX, [(1, 0, 0), (1, 0, 0)]),
    "nothing predicted": ([A], [], [(0, 0, 1), (0, 0, 1)]),
    "a lesion split in two": (
        [A],
        [(5, 15, 5, 15, 5, 9), (5, 15, 5, 15, 10, 15)],
        [(1, 1, 0), (1, 1, 0)],
    ),
    "three lesions under one": (
        [(5, 17, 5, 15, 5, 15), (18, 20, 5, 15, 5, 15), (21, 23, 5, 15, 5, 15)],
        [(5, 23, 5, 15, 5, 15)],
        [(1, 0, 2), (1, 0, 2)],
    ),
    "three small lesions under a large one: below zero": (
        [(5, 7, 5, 15, 5, 15), (10, 12, 5, 15, 5, 15), (15, 17, 5, 15, 5, 15)],
        [(5, 30, 5, 15, 5, 15)],
        [(1, 0, 2), (-2, 3, 5)],
    ),
    "four times the lesion": ([A], [(5, 25, 5, 25, 5, 15)], [(1, 0, 0), (0, 1, 1)]),
    "the same beside an earlier false lesion: now it counts": (
        [A],
        [(0, 2, 0, 2, 0, 2), (5, 25, 5, 25, 5, 15)],
        [(1, 1, 0), (1, 1, 0)],
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_the_scripts_errors_are_kept(name):
    reference, predicted, expected = PROBES[name]
    assert counts(reference, predicted) == expected


def test_a_reference_without_tumour_counts_none_instead_of_stopping():
    case = script_case(boxes(), boxes(A), (1, 1, 1))
    assert case.counts == {0.0: (0, 1, 0), 0.5: (0, 1, 0)}
    assert case.dice == (1.0, 0.0)


def test_what_is_missing_counts_9001_and_the_burdens_error_has_a_sign():
    none = np.zeros((40, 40, 40), np.uint8)
    column = script_column([script_case(boxes(A), none, (1, 1, 1))])
    assert [column["liver", name] for name in ("Dice", "VOE", "RVD", "ASSD")] == [0, 1, 9001, 9001]
    assert [column["lesion found", name] for name in ("Dice", "VOE", "MSSD")] == [0, 1, 9001]
    assert column["burden", "largest error"] == pytest.approx(0.015625 - 9001)
    over = script_column([script_case(boxes(A), boxes((2, 18, 2, 18, 2, 18)), (1, 1, 1))])
    assert over["burden", "largest error"] < 0


def test_volume_difference_is_the_wrong_way_round():
    small, large = [(5, 15, 5, 15, 5, 15)], [(5, 15, 5, 15, 5, 17)]
    column = script_column([script_case(boxes(*small), boxes(*large), (1, 1, 1))])
    assert column["lesion found", "RVD"] == pytest.approx((1000 - 1200) / 1200)


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_where_lesions_touch_one_to_one_the_script_counts_as_we_do(reference, predicted):
    from liverlib.evaluation.case import score_case
    from liverlib.evaluation.lesion_matching import lesion_overlaps

    iou, ours, theirs = lesion_overlaps(reference == 2, predicted == 2)
    touching = iou > 0
    if (touching.sum(0) > 1).any() or (touching.sum(1) > 1).any() or len(ours) != len(theirs):
        return
    case, score = script_case(reference, predicted, (1, 1, 1)), score_case(reference, predicted)
    assert case.counts[0.0] == (score.touched.found, score.touched.false, score.touched.missed)
