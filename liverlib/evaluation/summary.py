"""Many cases summarised: one record for runs, `liverlib evaluate`, reports and notebooks.

Cases whose reference is empty are counted apart, and intervals and n stand beside every mean.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic, write_json
from liverlib.core.text import NOT_MEDICAL, format_value, table

from .bootstrap import Measure, mean, quotient
from .case import CaseResult, ObjectResult
from .lesion_matching import SIZES, LesionCounts, pool
from .lits_script import ScriptCase, script_column

SCHEMA = 1  # of metrics.json and evaluation.json; raised when fields change
NAMES = {  # of the fields of an ObjectResult
    "dice": "Dice", "voe": "VOE", "rvd": "RVD", "assd": "ASSD", "rmsd": "RMSD", "mssd": "MSSD",
    "hd95": "HD95", "surface_dice_1": "surface Dice 1 mm", "surface_dice_2": "surface Dice 2 mm",
}  # fmt: skip
RULE = """\
Empty masks: means are over the cases whose reference has a liver, or a tumour; the others are
counted apart. A liver or tumour in the reference that is not predicted has Dice and surface Dice 0,
VOE 1, RVD -1, and no distance (left out). LiTS rule: over all cases, 1 where neither has a tumour,
0 where only one does. Liver is liver and tumour together. Distances in mm, both ways, of
18-neighbour surfaces; surface Dice by area. Lesions: 6 neighbours, pairs one to one, sizes as
equivalent diameters. RVD: + is too much. False tumour: ml predicted in cases whose reference has
none. Intervals: 95 %, bootstrap over cases."""


@dataclass(frozen=True)
class EmptyCounts:
    """In how many cases a mask is empty: both, the reference alone, or the prediction alone."""

    both: int
    only_predicted: int  # predicted where the reference has none
    only_reference: int  # not predicted where the reference has one


@dataclass(frozen=True)
class Summary:
    """All cases, the measures over them, pooled lesion counts, and the empty masks.

    >>> summary = evaluate("labelsTr", "masks", subset=True)
    >>> summary.measure("tumour", "Dice").value
    1.0
    """

    cases: list[CaseResult]
    measures: list[Measure]
    lesions: dict[str, LesionCounts]  # pooled over all cases, by IoU and by size
    empty: dict[str, EmptyCounts]  # liver and tumour

    def measure(self, of: str, name: str) -> Measure:
        """One measure, such as ``("tumour", "Dice")``; raises `KeyError` for what there is not."""
        for measure in self.measures:
            if (measure.of, measure.measure) == (of, name):
                return measure
        raise KeyError((of, name))

    @property
    def tumour_free(self) -> int:
        """Cases whose reference has no tumour."""
        return self.empty["tumour"].both + self.empty["tumour"].only_predicted

    def __str__(self) -> str:
        return "\n".join([table(_rows(self.measures)), "", *_empty_lines(self), "", RULE])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the number of their schema."""
        return {"schema": SCHEMA, "note": NOT_MEDICAL, "rule": RULE} | asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str | Path = "") -> "Summary":
        """What `to_dict` gave; raises `LiverlibError` for another schema and for a damaged one."""
        schema = values.get("schema") if isinstance(values, Mapping) else None
        again = "Delete it and score again."
        if schema != SCHEMA:
            raise LiverlibError(f"{path}: scores of schema {schema}, expected {SCHEMA}. {again}")
        try:
            return cls(
                [_case(case) for case in values["cases"]],
                [_plain(Measure, measure) for measure in values["measures"]],
                {name: _plain(LesionCounts, counts) for name, counts in values["lesions"].items()},
                {name: EmptyCounts(**counts) for name, counts in values["empty"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LiverlibError(f"{path}: damaged scores ({error!r}). {again}") from error

    def save(self, folder: str | Path) -> Path:
        """Writes evaluation.json (everything), measures.csv and cases.csv into a folder."""
        folder = Path(folder)
        _write_csv(folder / "measures.csv", [asdict(measure) for measure in self.measures])
        _write_csv(folder / "cases.csv", [_flat(case) for case in self.cases])
        write_json(folder / "evaluation.json", self.to_dict())
        return folder


def summarise(cases: Sequence[CaseResult]) -> Summary:
    """The measures over cases that were scored one by one."""
    scripts = [case.lits_script for case in cases if case.lits_script]
    column = script_column(scripts) if scripts else {}
    measures = [
        Measure(**vars(row) | {"lits_script": column.get((row.of, row.measure))})
        for row in _measures(cases)
    ]
    sized = [case.by_size for case in cases if case.by_size]
    lesions = {
        "IoU > 0": pool(case.iou_0 for case in cases),
        "IoU > 0.5": pool(case.iou_50 for case in cases),
        **{size: pool(by_size[size] for by_size in sized) for size in SIZES},
    }
    empty = {of: _empty(getattr(case, of) for case in cases) for of in ("liver", "tumour")}
    return Summary(list(cases), measures, lesions, empty)


def _measures(cases: Sequence[CaseResult]) -> list[Measure]:
    rows = [*_overlap("liver", cases), *_overlap("tumour", cases), *_detected(cases)]
    rows += _detection("lesion, IoU > 0", [case.iou_0 for case in cases])
    rows += _detection("lesion, IoU > 0.5", [case.iou_50 for case in cases])
    sized = [case.by_size for case in cases if case.by_size]
    for size in SIZES:
        counts = [by_size[size] for by_size in sized]
        rows += _detection(f"lesion {size}", counts, len(cases) - len(sized))
    free = [case.false_tumour_ml for case in cases if not case.has_tumour]
    return [*rows, mean("false tumour", "ml", free), *_burden(cases)]


def _overlap(of: str, cases: Sequence[CaseResult]) -> list[Measure]:
    every: list[ObjectResult] = [getattr(case, of) for case in cases]
    present = [result for result in every if result.reference_voxels]
    rows = [mean(of, name, [getattr(r, key) for r in present]) for key, name in NAMES.items()]
    if of == "tumour":
        rows.insert(1, mean(of, "Dice, LiTS rule", [result.dice for result in every]))
    both = [result.reference_voxels + result.predicted_voxels for result in every]
    doubled = [2 * result.shared_voxels for result in every]
    rows.insert(1, quotient(of, "Dice global", doubled, both, len(every)))
    return rows


def _detected(cases: Sequence[CaseResult]) -> list[Measure]:
    """Of the lesions detected at an IoU above one half, as LiTS has it."""
    rows = []
    for key, name in NAMES.items():
        values = [[getattr(lesion, key) for lesion in case.detected] for case in cases]
        known = [[value for value in each if not np.isnan(value)] for each in values]
        n = sum(map(len, known))
        left_out = sum(map(len, values)) - n
        sums, counts = [sum(each) for each in known], [len(each) for each in known]
        rows.append(quotient("lesion detected", name, sums, counts, n, left_out))
    return rows


def _detection(of: str, counts: Sequence[LesionCounts], left_out: int = 0) -> list[Measure]:
    tp, fn, fp = (np.array([getattr(c, key) for c in counts], int) for key in ("tp", "fn", "fp"))
    quotients = {
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "F1": (2 * tp, 2 * tp + fn + fp),
    }
    return [
        quotient(of, name, part, whole, int(whole.sum()), left_out)
        for name, (part, whole) in quotients.items()
    ]


def _burden(cases: Sequence[CaseResult]) -> list[Measure]:
    """Of tumour by liver; the largest error is that of the largest size, whatever its sign."""
    errors = np.array([case.predicted_burden - case.burden for case in cases])
    known = errors[~np.isnan(errors)]
    left_out = len(errors) - len(known)
    square = mean("burden", "RMSE", known**2)
    roots = {key: float(np.sqrt(getattr(square, key))) for key in ("value", "low", "high")}
    largest = float(np.abs(known).max()) if len(known) else np.nan
    return [
        Measure(**vars(square) | roots | {"left_out": left_out}),
        Measure("burden", "largest error", largest, np.nan, np.nan, len(known), left_out),
    ]


def _empty(results: Iterable[ObjectResult]) -> EmptyCounts:
    kinds = [(bool(r.reference_voxels), bool(r.predicted_voxels)) for r in results]
    order = (False, False), (False, True), (True, False)
    return EmptyCounts(*map(kinds.count, order))


def _rows(measures: Sequence[Measure]) -> list[dict]:
    with_script = any(measure.lits_script is not None for measure in measures)
    rows = []
    for row in measures:
        known = row.low == row.low
        interval = f"{format_value(row.low)} – {format_value(row.high)}" if known else ""
        shown = {
            "of": row.of, "measure": row.measure, "value": format_value(row.value),
            "95 % interval": interval, "n": row.n, "left out": row.left_out,
        }  # fmt: skip
        if with_script:
            script = row.lits_script
            shown["LiTS' script"] = "" if script is None else format_value(script)
        rows.append(shown)
    return rows


def _empty_lines(summary: Summary) -> list[str]:
    lines = [f"{len(summary.cases)} cases"]
    for of, count in summary.empty.items():
        lines.append(
            f"no {of} in {count.both + count.only_predicted} references, predicted all the same in "
            f"{count.only_predicted}; not predicted where there is one: {count.only_reference}"
        )
    if unknown := sum(not case.spacing_known for case in summary.cases):
        lines.append(f"spacing unknown in {unknown}: left out of whatever is in mm or by size")
    return lines


def _flat(case: CaseResult) -> dict[str, Any]:
    """One row of cases.csv."""
    row = {"name": case.name, "spacing_known": case.spacing_known}
    for of in ("liver", "tumour", "iou_0", "iou_50"):
        row |= {f"{of}_{key}": value for key, value in asdict(getattr(case, of)).items()}
    return row | {"burden": case.burden, "predicted_burden": case.predicted_burden}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:  # nothing where a value is unknown
            writer.writerow({k: "" if v is None or v != v else v for k, v in row.items()})


def _case(values: Mapping[str, Any]) -> CaseResult:
    script = values["lits_script"]
    parsed = {
        "liver": _plain(ObjectResult, values["liver"]),
        "tumour": _plain(ObjectResult, values["tumour"]),
        "iou_0": _plain(LesionCounts, values["iou_0"]),
        "iou_50": _plain(LesionCounts, values["iou_50"]),
        "by_size": {k: _plain(LesionCounts, counts) for k, counts in values["by_size"].items()},
        "detected": [_plain(ObjectResult, lesion) for lesion in values["detected"]],
        "lits_script": ScriptCase.from_dict(script) if script else None,
    }
    return _plain(CaseResult, {**values, **parsed})


def _plain(cls: type, values: Mapping[str, Any]) -> Any:
    """A record of numbers; null stands for NaN in JSON, where a field is a float."""
    kinds = {field.name: field.type for field in fields(cls)}
    record = {k: np.nan if v is None and kinds[k] is float else v for k, v in values.items()}
    if wrong := [k for k, v in record.items() if kinds[k] in (int, float) and isinstance(v, str)]:
        raise ValueError(f"{wrong[0]} is no number")
    return cls(**record)
