"""Measures over many cases, each with its bootstrap interval and what it is a mean of.

Every one of them, a mean over cases, a Dice of all voxels together, a recall of all lesions, is a
sum of parts by a sum of wholes; what is drawn anew for the interval is always whole cases.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from liverlib.agreement import Agreement
from liverlib.detection import SIZES, Detection, ratio
from liverlib.metrics import bootstrap_interval

if TYPE_CHECKING:
    from liverlib.evaluate import CaseEvaluation

Cases = Sequence["CaseEvaluation"]
NAMES = {  # of the fields of an Agreement
    "dice": "Dice", "voe": "VOE", "rvd": "RVD", "assd": "ASSD", "rmsd": "RMSD", "mssd": "MSSD",
    "hd95": "HD95", "surface_dice_1": "surface Dice 1 mm", "surface_dice_2": "surface Dice 2 mm",
}  # fmt: skip
RULE = """\
Empty masks: means are over the cases whose reference has a liver, or a tumour; the others are
counted apart. A liver or tumour that is there and not drawn has Dice and surface Dice 0, VOE 1,
RVD -1, and no distance (left out). LiTS rule: over all cases, 1 where neither has a tumour, 0
where only one does. Liver is liver and tumour together. Distances in mm, both ways, of 18-neighbour
surfaces; surface Dice by area. Lesions: 6 neighbours, pairs one to one, overlap as IoU, sizes as
equivalent diameters. RVD: + is too much. Intervals: 95 %, bootstrap over cases."""


@dataclass(frozen=True)
class Measure:
    """One figure: a mean, or a quotient of sums, over `n` cases or lesions.

    `left_out` are those that it cannot be taken of (a distance to an empty mask, millimetres of
    an unknown spacing). `lits_script` is what the official script prints, where that is asked for.
    """

    of: str
    measure: str
    value: float
    low: float
    high: float
    n: int
    left_out: int = 0
    lits_script: float | None = None


@dataclass(frozen=True)
class Empty:
    """In how many cases a mask is empty: neither drawn nor there, drawn where there is none,
    and not drawn where there is one."""

    both: int
    only_predicted: int
    only_reference: int


def all_measures(cases: Cases, script: dict[tuple[str, str], float] | None = None) -> list[Measure]:
    """Every measure of the cases; `script` is the column of `lits_script.script_column`."""
    rows = [*_overlap("liver", cases), *_overlap("tumour", cases), *_found(cases)]
    rows += _detection("lesion, overlap > 0", [case.score.touched for case in cases])
    rows += _detection("lesion, overlap > 0.5", [case.score.detected for case in cases])
    sized = [case.score.by_size for case in cases if case.score.by_size]
    for size in SIZES:
        rows += _detection(f"lesion {size}", [one[size] for one in sized], len(cases) - len(sized))
    rows += _burden(cases)
    if script is None:
        return rows
    return [Measure(**vars(m) | {"lits_script": script.get((m.of, m.measure))}) for m in rows]


def empty(agreements: Iterable[Agreement]) -> Empty:
    """Counts the empty masks among so many pairs."""
    kinds = [(one.reference_voxels > 0, one.predicted_voxels > 0) for one in agreements]
    return Empty(*(kinds.count(kind) for kind in ((0, 0), (0, 1), (1, 0))))


def _overlap(of: str, cases: Cases) -> list[Measure]:
    every = [getattr(case, of) for case in cases]
    there = [one for one in every if one.reference_voxels]
    rows = [_mean(of, name, [getattr(one, key) for one in there]) for key, name in NAMES.items()]
    if of == "tumour":
        rows.insert(1, _mean(of, "Dice, LiTS rule", [one.dice for one in every]))
    both = [one.reference_voxels + one.predicted_voxels for one in every]
    doubled = [2 * one.shared_voxels for one in every]
    rows.insert(1, _quotient(of, "Dice global", doubled, both, len(every)))
    return rows


def _found(cases: Cases) -> list[Measure]:
    """Of the lesions found at an overlap above one half, as LiTS has it."""
    rows = []
    for key, name in NAMES.items():
        values = [[getattr(one, key) for one in case.lesions] for case in cases]
        known = [[value for value in one if not np.isnan(value)] for one in values]
        n = sum(map(len, known))
        left_out = sum(map(len, values)) - n
        sums, counts = [sum(one) for one in known], [len(one) for one in known]
        rows.append(_quotient("lesion found", name, sums, counts, n, left_out))
    return rows


def _detection(of: str, detections: Sequence[Detection], left_out: int = 0) -> list[Measure]:
    found, missed, false = (
        np.array([getattr(one, key) for one in detections], int)
        for key in ("found", "missed", "false")
    )
    quotients = {
        "precision": (found, found + false),
        "recall": (found, found + missed),
        "F1": (2 * found, 2 * found + missed + false),
    }
    return [
        _quotient(of, name, *pair, int(pair[1].sum()), left_out) for name, pair in quotients.items()
    ]


def _burden(cases: Cases) -> list[Measure]:
    """Of tumour by liver; the largest error is that of the largest size, whatever its sign."""
    errors = np.array([case.score.predicted_burden - case.score.burden for case in cases])
    known = errors[~np.isnan(errors)]
    left_out = len(errors) - len(known)
    square = _mean("burden", "RMSE", known**2)
    roots = {key: float(np.sqrt(getattr(square, key))) for key in ("value", "low", "high")}
    largest = float(np.abs(known).max()) if len(known) else np.nan
    return [
        Measure(**vars(square) | roots | {"left_out": left_out}),
        Measure("burden", "largest error", largest, np.nan, np.nan, len(known), left_out),
    ]


def _mean(of: str, name: str, values: Sequence[float]) -> Measure:
    known = [value for value in values if not np.isnan(value)]
    return _quotient(of, name, known, [1] * len(known), len(known), len(values) - len(known))


def _quotient(
    of: str, name: str, parts: Sequence, wholes: Sequence, n: int, left_out: int = 0
) -> Measure:
    value = ratio(np.sum(parts), np.sum(wholes))
    return Measure(of, name, value, *bootstrap_interval(parts, wholes), n, left_out)
