import csv
import dataclasses
import json
import math

import numpy as np
import pytest
from masks import CUBOID, TRIALS_DICE, TRIALS_NAMES, cuboids, trials_pair

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.bootstrap import bootstrap_interval
from liverlib.evaluation.case import score_case, score_volumes
from liverlib.evaluation.lits_script import script_case
from liverlib.evaluation.summary import NAMES, SCHEMA, Summary, summarise

SPACING = (10, 10, 10)


@pytest.fixture
def summary() -> Summary:
    """Half a tumour predicted, one in a case without any, none where there is one, and a case of
    unknown spacing."""
    free = np.ones((20, 20, 20), np.uint8)
    ill, half = free.copy(), free.copy()
    ill[:4, :4, :4], half[:4, :4, :2] = 2, 2
    pairs = {"half": (ill, half), "false": (free, half), "missed": (ill, free)}
    cases = [
        score_case(*pair, SPACING, name, script_case(*pair, SPACING))
        for name, pair in pairs.items()
    ]
    return summarise([*cases, score_case(ill, ill, name="unknown")])


def same(value: object, other: object) -> bool:
    """Whether two plain values are equal, NaN counting as equal to NaN."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(same(value[k], other[k]) for k in value)
    if isinstance(value, list | tuple) and type(value) is type(other):
        return len(value) == len(other) and all(map(same, value, other))
    both_floats = isinstance(value, float) and isinstance(other, float)
    return value == other or (both_floats and math.isnan(value) and math.isnan(other))


# --- the measures --------------------------------------------------------------------------------


def test_means_are_those_of_the_cases_whose_reference_has_the_object(summary):
    tumours = [case.tumour.dice for case in summary.cases if case.has_tumour]
    dice = summary.measure("tumour", "Dice")
    assert (dice.value, dice.n) == (pytest.approx(np.mean(tumours)), 3)
    assert (dice.low, dice.high) == pytest.approx(bootstrap_interval(tumours))
    assert summary.measure("liver", "Dice").n == 4
    rule = summary.measure("tumour", "Dice, LiTS rule")
    assert (rule.value, rule.n) == (pytest.approx((2 / 3 + 0 + 0 + 1) / 4), 4)


def test_a_measure_that_is_not_there_is_a_key_error(summary):
    with pytest.raises(KeyError, match="F2"):
        summary.measure("tumour", "F2")


def test_every_object_has_every_measure(summary):
    for of in ("liver", "tumour", "lesion detected"):
        for name in NAMES.values():
            assert summary.measure(of, name).n >= 0


def test_cases_without_tumour_are_counted_apart(summary):
    assert (len(summary.cases), summary.tumour_free) == (4, 1)
    assert dataclasses.asdict(summary.empty["tumour"]) == {
        "both": 0, "only_predicted": 1, "only_reference": 1,
    }  # fmt: skip
    false = summary.measure("false tumour", "ml")
    assert (false.value, false.n, false.left_out) == (32, 1, 0)
    text = str(summary)
    assert "no tumour in 1 references, predicted all the same in 1; not predicted where" in text


def test_what_is_unknown_is_left_out_and_counted(summary):
    distance = summary.measure("tumour", "ASSD")
    assert (distance.n, distance.left_out) == (1, 2)  # nothing predicted, unknown spacing
    surface = summary.measure("tumour", "surface Dice 1 mm")
    assert (surface.n, surface.left_out) == (2, 1)
    assert summary.measure("lesion over 20 mm", "recall").left_out == 1
    assert "spacing unknown in 1" in str(summary)


def test_lesions_are_pooled_over_all_cases(summary):
    counts = summary.lesions["IoU > 0"]
    assert (counts.tp, counts.fn, counts.fp) == (2, 1, 1)
    counts = summary.lesions["IoU > 0.5"]  # half a tumour: an IoU of exactly one half
    assert (counts.tp, counts.fn, counts.fp) == (1, 2, 2)
    recall = summary.measure("lesion, IoU > 0.5", "recall")
    assert (recall.value, recall.n) == (pytest.approx(1 / 3), 3)
    assert counts.recall == recall.value
    assert summary.lesions["over 20 mm"].fn == 2  # sizes are of known spacing alone


def test_the_error_of_burden_is_that_of_the_cases(summary):
    errors = [case.predicted_burden - case.burden for case in summary.cases]
    rmse = summary.measure("burden", "RMSE")
    assert (rmse.value, rmse.n) == (pytest.approx(np.sqrt(np.mean(np.square(errors)))), 4)
    assert summary.measure("burden", "largest error").value == max(map(abs, errors))


def test_no_cases_make_an_empty_summary():
    summary = summarise([])
    assert (summary.cases, summary.lesions["IoU > 0"].tp, summary.tumour_free) == ([], 0, 0)
    dice = summary.measure("liver", "Dice")
    assert np.isnan(dice.value) and dice.n == 0
    assert "0 cases" in str(summary)


def test_the_official_scripts_column_stands_beside_ours_where_it_was_asked_for(summary):
    dice = summary.measure("tumour", "Dice, LiTS rule")  # of the three that it was asked for
    assert dice.lits_script == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert summary.measure("tumour", "HD95").lits_script is None
    assert "LiTS' script" in str(summary)
    alone = summarise([score_case(cuboids(CUBOID), cuboids(CUBOID), SPACING)])
    assert "LiTS' script" not in str(alone)


def test_lesion_pairs_score_as_the_trials_evaluation_does(shared):
    cases = [score_volumes(name, *trials_pair(shared, name)) for name in TRIALS_NAMES]
    summary = summarise(cases)
    assert summary.measure("tumour", "Dice").value == pytest.approx(TRIALS_DICE, abs=1e-14)
    at_0, at_50 = summary.lesions["IoU > 0"], summary.lesions["IoU > 0.5"]
    assert (at_50.precision, at_50.recall) == pytest.approx((0.8, 0.8))
    assert (at_0.precision, at_0.recall) == (1, 1)


# --- files ---------------------------------------------------------------------------------------


def test_a_summary_survives_json(summary):
    text = json.dumps(summary.to_dict())
    again = Summary.from_dict(json.loads(text))
    assert same(dataclasses.asdict(again), dataclasses.asdict(summary))
    assert isinstance(again.cases[0], type(summary.cases[0]))
    assert again.cases[0].lits_script == summary.cases[0].lits_script
    assert str(again) == str(summary)


def test_a_summary_survives_its_file_where_nan_is_null(summary, tmp_path):
    assert summary.save(tmp_path / "scores") == tmp_path / "scores"
    path = tmp_path / "scores" / "evaluation.json"
    assert "NaN" not in path.read_text()
    values = read_json(path)
    assert values["note"] == NOT_MEDICAL and values["schema"] == SCHEMA
    again = Summary.from_dict(values, path)
    assert same(dataclasses.asdict(again), dataclasses.asdict(summary))


@pytest.mark.parametrize("schema", [None, 0, SCHEMA + 1])
def test_scores_of_another_schema_are_refused(summary, schema):
    values = summary.to_dict() | {"schema": schema}
    if schema is None:  # as files of older versions are
        del values["schema"]
    with pytest.raises(LiverlibError, match=rf"old\.json: scores of schema {schema}.*score again"):
        Summary.from_dict(values, "old.json")


def test_csv_files_hold_the_same_numbers_and_nothing_where_a_value_is_unknown(summary, tmp_path):
    summary.save(tmp_path)
    rows = {
        name: list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        for name in ("cases.csv", "measures.csv")
    }
    assert [row["name"] for row in rows["cases.csv"]] == ["half", "false", "missed", "unknown"]
    for row, case in zip(rows["cases.csv"], summary.cases, strict=True):
        assert float(row["liver_dice"]) == case.liver.dice
        assert int(row["iou_50_fn"]) == case.iou_50.fn
    assert rows["cases.csv"][2]["tumour_assd"] == ""
    for row, measure in zip(rows["measures.csv"], summary.measures, strict=True):
        assert (row["of"], row["measure"]) == (measure.of, measure.measure)
        assert row["value"] == ("" if np.isnan(measure.value) else repr(measure.value))


@pytest.mark.parametrize("fault", ["list", "lacks", "text", "null", "empty case"])
def test_damaged_scores_are_refused_in_a_sentence(summary, tmp_path, fault):
    values = json.loads(json.dumps(summary.to_dict()))
    if fault == "list":
        values = [values]
    elif fault == "lacks":
        del values["lesions"]
    elif fault == "text":
        values["cases"][0]["liver"]["dice"] = "high"
    elif fault == "null":
        values["measures"] = None
    else:
        values["cases"][0] = {}
    with pytest.raises(LiverlibError, match=r"metrics\.json: .*score again"):
        Summary.from_dict(values, tmp_path / "metrics.json")
