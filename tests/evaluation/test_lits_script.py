import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from masks import (
    CLASSES,
    CUBOID,
    TRIALS_DICE,
    TRIALS_GLOBAL_DICE,
    TRIALS_LESIONS,
    TRIALS_NAMES,
    cuboids,
    trials_pair,
)

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.lesion_matching import match_lesions
from liverlib.evaluation.lits_script import ScriptCase, script_case, script_column


def label(*corners: tuple) -> np.ndarray:
    """Liver everywhere, and a tumour in each cuboid."""
    return cuboids(*corners, background=1)


def counts(reference: list, predicted: list) -> list[tuple]:
    """True positive, false positive and false negative at overlap > 0 and > 0.5."""
    case = script_case(label(*reference), label(*predicted), (1, 1, 1))
    return [case.counts[0.0], case.counts[0.5]]


def test_the_script_gives_what_trials_published(shared):
    cases = []
    for name in TRIALS_NAMES:
        reference, predicted = trials_pair(shared, name)
        stored = (volume.grid.to_stored(volume.voxels) for volume in (reference, predicted))
        cases.append(script_case(*stored, reference.grid.header.get_zooms()[:3]))
    column = script_column(cases)
    expected = {("lesion detected", name): value for name, value in TRIALS_LESIONS.items()} | {
        ("lesion detected", "RVD"): 0.07925593492650387,
        ("tumour", "Dice, LiTS rule"): TRIALS_DICE,
        ("tumour", "Dice global"): TRIALS_GLOBAL_DICE,
        ("lesion, IoU > 0.5", "precision"): 0.8,
        ("lesion, IoU > 0.5", "recall"): 0.8,
        ("lesion, IoU > 0", "precision"): 1.0,
        ("lesion, IoU > 0", "recall"): 1.0,
    }
    assert {key: column[key] for key in expected} == pytest.approx(expected, abs=1e-12)


HALF, SIX = [(5, 15, 5, 15, 5, 10)], [(5, 15, 5, 15, 5, 11)]
PROBES = {  # what the script answers
    "identical": ([CUBOID], [CUBOID], [(1, 0, 0), (1, 0, 0)]),
    "IoU of exactly a half": ([CUBOID], HALF, [(1, 0, 0), (0, 1, 1)]),
    "IoU of 0.6": ([CUBOID], SIX, [(1, 0, 0), (1, 0, 0)]),
    "nothing predicted": ([CUBOID], [], [(0, 0, 1), (0, 0, 1)]),
    "a lesion split in two": (
        [CUBOID],
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
    "four times the lesion": ([CUBOID], [(5, 25, 5, 25, 5, 15)], [(1, 0, 0), (0, 1, 1)]),
    "the same beside an earlier false lesion: now it counts": (
        [CUBOID],
        [(0, 2, 0, 2, 0, 2), (5, 25, 5, 25, 5, 15)],
        [(1, 1, 0), (1, 1, 0)],
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_the_scripts_errors_are_kept(name):
    reference, predicted, expected = PROBES[name]
    assert counts(reference, predicted) == expected


def test_a_reference_without_tumour_counts_none_instead_of_stopping():
    case = script_case(label(), label(CUBOID), (1, 1, 1))
    assert case.counts == {0.0: (0, 1, 0), 0.5: (0, 1, 0)}
    assert case.dice == (1.0, 0.0)


def test_what_is_missing_counts_9001_and_the_burdens_error_has_a_sign():
    none = np.zeros((40, 40, 40), np.uint8)
    column = script_column([script_case(label(CUBOID), none, (1, 1, 1))])
    assert [column["liver", name] for name in ("Dice", "VOE", "RVD", "ASSD")] == [0, 1, 9001, 9001]
    assert [column["lesion detected", name] for name in ("Dice", "VOE", "MSSD")] == [0, 1, 9001]
    assert column["burden", "largest error"] == pytest.approx(0.015625 - 9001)
    over = script_column([script_case(label(CUBOID), label((2, 18, 2, 18, 2, 18)), (1, 1, 1))])
    assert over["burden", "largest error"] < 0


def test_volume_difference_is_the_wrong_way_round():
    small, large = label(CUBOID), label((5, 15, 5, 15, 5, 17))
    column = script_column([script_case(small, large, (1, 1, 1))])
    assert column["lesion detected", "RVD"] == pytest.approx((1000 - 1200) / 1200)


@settings(deadline=None)
@given(CLASSES, CLASSES)
def test_where_lesions_touch_one_to_one_the_script_counts_as_we_do(reference, predicted):
    lesions = match_lesions(reference == 2, predicted == 2)
    touching = lesions.shared.toarray() > 0
    several = (touching.sum(0) > 1).any() or (touching.sum(1) > 1).any()
    if several or touching.shape[0] != touching.shape[1]:
        return
    expected = lesions.counts(above=0)
    case = script_case(reference, predicted, (1, 1, 1))
    assert case.counts[0.0] == (expected.tp, expected.fp, expected.fn)


def test_masks_of_noise_are_refused_with_their_counts():
    noise = np.ones((63, 120, 120), np.uint8)
    noise[:, ::2, ::2][::2] = 2  # 32 × 60 × 60 specks
    with pytest.raises(LiverlibError, match=r"ct: 115,200 predicted tumours .* holds 115,200"):
        script_case(noise, noise, (1, 1, 1), "ct")


def test_a_record_comes_back_from_json_whose_keys_are_text():
    case = script_case(label(CUBOID), label(*HALF), (1, 1, 1))
    assert ScriptCase.from_dict(json.loads(json.dumps(asdict(case)))) == case
