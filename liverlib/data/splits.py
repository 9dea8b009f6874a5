"""Splits of cases into train, validation and test: no patient is in two of them."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import SEEDS, CheckedSettings, require, setting
from liverlib.core.text import natural_key

from . import lits
from .cases import Case

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitSettings(CheckedSettings):
    """Which patients are trained on, which steer the training, and which are scored."""

    validation: float = setting(
        0.08, "fraction of the patients that steer the training; at least one", low=0, high=1
    )
    test: float = setting(
        0.16, "fraction of the patients kept apart to be scored; at least one", low=0, high=1
    )
    seed: int = setting(0, "seed of the shuffle", low=SEEDS[0], high=SEEDS[1])
    folds: int = setting(
        0,
        "cross-validation: number of folds, each patient is tested in one; 0: none",
        low=0,
        high=1000,
    )
    fold: int = setting(
        0, "index of the fold to test, from 0; `test` is then not used", low=0, high=999
    )

    def __post_init__(self) -> None:
        """Raises `LiverlibError` where a value is not allowed, or nobody is left to train on."""
        super().__post_init__()
        require(self.folds != 1, "folds", 1, "2 or more, or 0 for none")
        if self.folds:
            numbers = f"one of the folds, 0 to {self.folds - 1}"
            require(self.fold < self.folds, "fold", self.fold, numbers)
        else:
            require(self.fold == 0, "fold", self.fold, "0 without folds; or set folds too")
        kept = self.validation + (0 if self.folds else self.test)
        require(kept < 1, "validation", self.validation, "below 1 together with test")


def split_by(cases: Sequence[Case], settings: SplitSettings) -> dict[str, list[Case]]:
    """The `split`, or the fold of `folds`, that the settings describe; raises as these do."""
    patients = len({_patient(case) for case in cases})
    fractions = settings.validation, settings.test
    validation, test = (max(1, round(fraction * patients)) for fraction in fractions)
    if not settings.folds:
        return split(cases, validation, test, settings.seed)
    return folds(cases, settings.folds, validation, settings.seed)[settings.fold]


def split(
    cases: Sequence[Case], validation: int, test: int, seed: int = 0
) -> dict[str, list[Case]]:
    """Cases for "train", "validation" and "test"; no patient is in two of them.

    The split depends on the cases and the seed, not on the order of the cases. LiTS cases that are
    known to have no tumour are spread evenly. Raises `LiverlibError` where nobody is left to train
    on.

    Args:
        cases: labelled cases, as `find_dataset` and `labelled` give them.
        validation: number of patients that steer the training.
        test: number of patients to score.
        seed: of the shuffle.

    >>> training_cases = split(cases, validation=2, test=4)["train"]
    """
    order = _shuffled(cases, seed)
    _check_enough(order, validation, test)
    return _parts(cases, order[test + validation :], order[test:][:validation], order[:test])


def folds(
    cases: Sequence[Case], k: int, validation: int = 0, seed: int = 0
) -> list[dict[str, list[Case]]]:
    """`k` splits as `split` makes them; every patient is tested in exactly one of them.

    `validation` of the other patients steer the training. Raises `LiverlibError` for fewer than 2
    folds, for more than there are patients, and where nobody is left to train on.
    """
    order = _shuffled(cases, seed)
    if k < 2:
        raise LiverlibError(
            f"{k} folds: at least 2 are needed. Without folds, set the fraction `test`."
        )
    if k > len(order):
        raise LiverlibError(
            f"{k} folds of {len(order)} patients: some would test nobody. Ask for fewer."
        )
    _check_enough(order, validation, -(-len(order) // k))
    edges = [fold * len(order) // k for fold in range(k + 1)]
    rests = [(order[stop:] + order[:start], order[start:stop]) for start, stop in pairwise(edges)]
    return [_parts(cases, rest[validation:], rest[:validation], test) for rest, test in rests]


def _shuffled(cases: Iterable[Case], seed: int) -> list[str]:
    """The patients in random order, those known to be tumour-free at even distances."""
    patients = sorted({_patient(case) for case in cases}, key=natural_key)
    random.Random(seed).shuffle(patients)
    known = {_patient(case) for case in cases if lits.tumour_free(case.name)}
    free = [patient for patient in patients if patient in known]
    order = [patient for patient in patients if patient not in known]
    for index, patient in enumerate(free):
        order.insert(int((index + 0.5) * len(patients) / len(free)), patient)
    return order


def _check_enough(order: list[str], validation: int, test: int) -> None:
    """Raises `LiverlibError` where no patient is left to train on."""
    if len(order) <= validation + test:
        advice = ", or ask for fewer" if len(order) > 2 else ": a run needs 3 patients or more"
        raise LiverlibError(
            f"{len(order)} patients cannot give {validation} to validate, {test} to test and "
            f"some to train on. Add cases{advice}."
        )


def _parts(cases: Sequence[Case], *patients: list[str]) -> dict[str, list[Case]]:
    """The cases of the patients of each of `PARTS`."""
    sets = dict(zip(PARTS, map(set, patients), strict=True))
    return {part: [case for case in cases if _patient(case) in sets[part]] for part in PARTS}


def _patient(case: Case) -> str:
    return case.patient or case.name
