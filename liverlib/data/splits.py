"""Who is trained on, who steers the training, who is scored: no patient is on two sides."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from liverlib.core.errors import LiverlibError
from liverlib.core.settings import setting
from liverlib.core.text import natural_key

from . import lits
from .cases import Case

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitSettings:
    """Who is trained on, who steers the training, and who is scored."""

    validation: float = setting(0.08, "share of the patients that steer the training")
    test: float = setting(0.16, "share of the patients kept apart to be scored")
    seed: int = setting(0, "of the shuffle")
    folds: int = setting(0, "cross-validation: each patient is tested in one of so many; 0: none")
    fold: int = setting(0, "which of the folds is tested, from 0; `test` is then not used")


def split_by(cases: Sequence[Case], settings: SplitSettings) -> dict[str, list[Case]]:
    """The `split`, or the one of the `folds`, that the settings describe; raises as these do."""
    patients = len({_patient(case) for case in cases})
    shares = settings.validation, settings.test
    validation, test = (max(1, round(share * patients)) for share in shares)
    if not settings.folds:
        return split(cases, validation, test, settings.seed)
    splits = folds(cases, settings.folds, validation, settings.seed)
    if not 0 <= settings.fold < settings.folds:
        raise LiverlibError(f"fold {settings.fold}: the folds are 0 to {settings.folds - 1}.")
    return splits[settings.fold]


def split(
    cases: Sequence[Case], validation: int, test: int, seed: int = 0
) -> dict[str, list[Case]]:
    """Cases for "train", "validation" and "test"; no patient is in two of them.

    The same cases and seed always give the same split, in whatever order they come. Cases of LiTS
    that are known to have no tumour are spread evenly. Raises `LiverlibError` where nothing would
    be left to train on.
    """
    order = _shuffled(cases, seed)
    _enough(order, validation, test)
    return _parts(cases, order[test + validation :], order[test:][:validation], order[:test])


def folds(
    cases: Sequence[Case], k: int, validation: int = 0, seed: int = 0
) -> list[dict[str, list[Case]]]:
    """`k` splits, each as `split` makes one; every patient is tested in exactly one of them.

    `validation` patients of those that are left steer the training.
    """
    order = _shuffled(cases, seed)
    if k < 2:
        raise LiverlibError(f"{k} folds: at least 2 are needed. Without folds, use a test share.")
    _enough(order, validation, -(-len(order) // k))
    edges = [n * len(order) // k for n in range(k + 1)]
    rests = [(order[stop:] + order[:start], order[start:stop]) for start, stop in pairwise(edges)]
    return [_parts(cases, rest[validation:], rest[:validation], test) for rest, test in rests]


def _shuffled(cases: Iterable[Case], seed: int) -> list[str]:
    """The patients in an order of which any stretch has its share of the known tumour-free ones."""
    patients = sorted({_patient(case) for case in cases}, key=natural_key)
    random.Random(seed).shuffle(patients)
    known = {_patient(case) for case in cases if lits.tumour_free(case.name)}
    free = [patient for patient in patients if patient in known]
    order = [patient for patient in patients if patient not in known]
    for n, patient in enumerate(free):
        order.insert(int((n + 0.5) * len(patients) / len(free)), patient)
    return order


def _enough(order: list[str], validation: int, test: int) -> None:
    if len(order) <= validation + test:
        raise LiverlibError(
            f"{len(order)} patients cannot give {validation} to validate, {test} to test and "
            "some to train on. Add cases, or ask for fewer."
        )


def _parts(cases: Sequence[Case], *patients: list[str]) -> dict[str, list[Case]]:
    sets = dict(zip(PARTS, map(set, patients), strict=True))
    return {part: [case for case in cases if _patient(case) in sets[part]] for part in PARTS}


def _patient(case: Case) -> str:
    return case.patient or case.name
