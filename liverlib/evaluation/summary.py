"""Measures over many cases, each with its bootstrap interval and what it is a mean of.

Every one of them, a mean over cases, a Dice of all voxels together, a recall of all lesions, is a
sum of parts by a sum of wholes; what is drawn anew for the interval is always whole cases.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liverlib.core.arrays import ratio
from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL, format_value, table

from .bootstrap import Mean, bootstrap_interval
from .case import Agreement, CaseEvaluation, CaseScore
from .lesion_matching import SIZES, LesionCounts, pool
from .lits_script import script_column

if TYPE_CHECKING:
    from .case import CaseEvaluation


@dataclass(frozen=True)
class Summary:
    """Scores of many cases; `dataclasses.asdict` makes it fit for JSON."""

    cases: int
    liver_dice: Mean
    tumour_dice: Mean  # over the cases with a tumour: neither rewarded nor punished by empty ones
    tumour_dice_lits: Mean  # over all cases, 1 where both are empty, 0 for any false tumour
    tumour_free: int  # cases whose reference has no tumour
    tumour_free_with_false: int  # … in which some tumour was drawn
    false_tumour_ml: float  # … and how much, in ml on average, where spacing is known
    touched: LesionCounts  # pooled over all cases, as LiTS does
    detected: LesionCounts
    by_size: dict[str, LesionCounts]


def summarise(scores: Sequence[CaseScore]) -> Summary:
    """Means over cases with their intervals; cases without a tumour are counted apart."""
    free = [one for one in scores if not one.has_tumour]
    known = [one.false_tumour_ml for one in free if not np.isnan(one.false_tumour_ml)]
    return Summary(
        cases=len(scores),
        liver_dice=_mean([one.liver_dice for one in scores]),
        tumour_dice=_mean([one.tumour_dice for one in scores if one.has_tumour]),
        tumour_dice_lits=_mean([one.tumour_dice for one in scores]),
        tumour_free=len(free),
        tumour_free_with_false=sum(one.false_tumour_voxels > 0 for one in free),
        false_tumour_ml=_mean(known).mean,
        touched=pool(one.touched for one in scores),
        detected=pool(one.detected for one in scores),
        by_size={size: pool(one.by_size[size] for one in scores if one.by_size) for size in SIZES},
    )


def _mean(values: Sequence[float]) -> Mean:
    mean = float(np.mean(values)) if len(values) else np.nan
    return Mean(mean, *bootstrap_interval(values), len(values))


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


def _detection(of: str, detections: Sequence[LesionCounts], left_out: int = 0) -> list[Measure]:
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


@dataclass(frozen=True)
class Evaluation:
    """All cases, the measures over them, and the empty masks, which are counted apart."""

    cases: list[CaseEvaluation]
    measures: list[Measure]
    empty: dict[str, Empty]  # liver and tumour

    def __str__(self) -> str:
        return "\n".join([table(_shown(self.measures)), "", *_empty(self), "", RULE])

    def save(self, folder: str | Path) -> Path:
        """Writes evaluation.json (everything), measures.csv and cases.csv into a folder."""
        folder = Path(folder)
        _write_csv(folder / "measures.csv", [asdict(one) for one in self.measures])
        _write_csv(folder / "cases.csv", [_flat(case) for case in self.cases])
        write_json(folder / "evaluation.json", {"note": NOT_MEDICAL, "rule": RULE} | asdict(self))
        return folder


def summarise_cases(cases: list[CaseEvaluation]) -> Evaluation:
    """The measures over cases that have been evaluated one by one."""
    scripts = [case.lits_script for case in cases if case.lits_script]
    counts = {what: empty(getattr(case, what) for case in cases) for what in ("liver", "tumour")}
    return Evaluation(
        cases, all_measures(cases, script_column(scripts) if scripts else None), counts
    )


def _shown(measures: Sequence[Measure]) -> list[dict]:
    rows = []
    for one in measures:
        interval = (
            f"{format_value(one.low)} – {format_value(one.high)}" if one.low == one.low else ""
        )
        row = {
            "of": one.of, "measure": one.measure, "value": format_value(one.value),
            "95 % interval": interval, "n": one.n, "left out": one.left_out,
        }  # fmt: skip
        if any(other.lits_script is not None for other in measures):
            script = one.lits_script
            row["LiTS' script"] = "" if script is None else format_value(script)
        rows.append(row)
    return rows


def _empty(evaluation: Evaluation) -> list[str]:
    lines = [f"{len(evaluation.cases)} cases"]
    for what, count in evaluation.empty.items():
        none = count.both + count.only_predicted
        lines.append(
            f"no {what} in {none} references, drawn all the same in {count.only_predicted}; "
            f"not drawn where there is one: {count.only_reference}"
        )
    if unknown := sum(not case.spacing_known for case in evaluation.cases):
        lines.append(f"spacing unknown in {unknown}: left out of whatever is in mm or by size")
    return lines


def _flat(case: CaseEvaluation) -> dict:
    """One row of cases.csv."""
    row = {"name": case.name, "spacing_known": case.spacing_known}
    for what in ("liver", "tumour"):
        row |= {f"{what}_{key}": value for key, value in asdict(getattr(case, what)).items()}
    for what in ("touched", "detected"):
        row |= {f"{what}_{key}": value for key, value in asdict(getattr(case.score, what)).items()}
    scores = {field.name: getattr(case.score, field.name) for field in fields(case.score)}
    kept = ("liver_ml", "tumour_ml", "burden")
    return row | {key: value for key, value in scores.items() if key.endswith(kept)}


def _write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            unknown = {key: "" for key, value in row.items() if _unknown(value)}
            writer.writerow(row | unknown)


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and value != value)
