import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.core.errors import LiverlibError
from liverlib.data import lits
from liverlib.data.cases import Case
from liverlib.data.splits import SplitSettings, folds, split, split_by


def some(n, tmp_path):
    return [Case(f"c{i}", tmp_path / f"c{i}", tmp_path, f"patient {i // 2}") for i in range(n)]


def test_no_patient_is_in_two_parts(tmp_path):
    cases = some(40, tmp_path)
    parts = split(cases, validation=3, test=4, seed=1)
    patients = [{case.patient for case in parts[part]} for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 20
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [26, 6, 8]


def test_a_split_depends_on_cases_and_seed_alone(tmp_path):
    cases = some(20, tmp_path)
    names, again, other = (
        {part: {case.name for case in members} for part, members in parts.items()}
        for parts in (split(cases, 2, 2, 5), split(cases[::-1], 2, 2, 5), split(cases, 2, 2, 6))
    )
    assert names == again
    assert names["test"] != other["test"]


def test_names_that_differ_by_leading_zeros_have_one_order():
    names = [f"case{number}" for i in range(1, 9) for number in (i, f"0{i}")]
    cases = [Case(name, Path(name), Path(name)) for name in names]
    code = (
        "import sys; from pathlib import Path; from liverlib.data.cases import Case; "
        "from liverlib.data.splits import split; "
        "cases = [Case(name, Path(name), Path(name)) for name in sys.argv[1:]]; "
        "print(*[case.name for case in split(cases, 2, 4)['test']])"
    )
    for seed in "0123":  # of the order of sets
        words = [sys.executable, "-c", code, *names]
        found = subprocess.run(
            words, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=True,
        ).stdout.split()  # fmt: skip
        assert found == [case.name for case in split(cases, 2, 4)["test"]]


def test_more_folds_than_patients_are_refused(tmp_path):
    with pytest.raises(LiverlibError, match="11 folds of 10 patients"):
        folds(some(20, tmp_path), 11)


def test_too_few_patients_are_an_error(tmp_path):
    with pytest.raises(LiverlibError, match="cannot give"):
        split(some(4, tmp_path), 1, 1)


def test_two_patients_are_too_few_whatever_the_fractions(tmp_path):
    settings = SplitSettings(validation=0, test=0)
    with pytest.raises(LiverlibError, match=r"Add cases: a run needs 3 patients or more\."):
        split_by(some(4, tmp_path), settings)
    assert [len(part) for part in split_by(some(6, tmp_path), settings).values()] == [2, 2, 2]


def liver(numbers, name="liver_{}"):
    return [Case(name.format(n), None, None, lits.patient(name.format(n))) for n in numbers]


@given(seed=st.integers(0, 10**6), validation=st.integers(0, 40), test=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_lits_and_3d_ircadb_together_never_share_a_patient(seed, validation, test):
    cases = liver(range(131)) + liver(range(1, 21), "3Dircadb1.{}")
    for parts in (split(cases, validation, test, seed), *folds(cases, 4, validation, seed)):
        patients = [{case.patient for case in part} for part in parts.values()]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 131
        assert sum(map(len, parts.values())) == 151


@given(seed=st.integers(0, 10**6), k=st.integers(2, 10))
@settings(max_examples=40, deadline=None)
def test_cases_without_tumour_are_spread_evenly(seed, k):
    def free(part):
        return sum(lits.tumour_free(case.name) for case in part)

    parts = split(liver(range(131)), 10, 21, seed)
    for part in parts.values():
        assert abs(free(part) - 13 * len(part) / 131) <= 1
    counts = [free(parts["test"]) for parts in folds(liver(range(131)), k, 0, seed)]
    assert sum(counts) == 13
    assert max(counts) - min(counts) <= 2


def test_in_k_folds_every_patient_is_tested_once(tmp_path):
    cases = some(50, tmp_path)
    tested = [case.name for parts in folds(cases, 4, 2, 1) for case in parts["test"]]
    assert sorted(tested) == sorted(case.name for case in cases)
    assert [len(parts["validation"]) for parts in folds(cases, 4, 2, 1)] == [4] * 4
    with pytest.raises(LiverlibError, match="cannot give"):
        folds(cases, 2, 13)
    with pytest.raises(LiverlibError, match="1 folds"):
        folds(cases, 1)


def test_settings_give_fractions_of_the_patients_or_one_of_the_folds(tmp_path):
    cases, settings = some(50, tmp_path), SplitSettings(validation=0.08, test=0.16, seed=3)
    assert split_by(cases, settings) == split(cases, 2, 4, 3)
    assert split_by(cases[:6], settings) == split(cases[:6], 1, 1, 3)
    settings = dataclasses.replace(settings, folds=5, fold=2)
    assert split_by(cases, settings) == folds(cases, 5, 2, 3)[2]
    with pytest.raises(LiverlibError, match="fold 5: must be one of the folds, 0 to 4"):
        split_by(cases, dataclasses.replace(settings, fold=5))
