"""Masks in a folder against the references in another: every measure that LiTS has, and more.

Each pair is read and scored on its own grid, one process a processor; what comes of it is a table
to print, and CSV and JSON to keep.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from liverlib import NOT_MEDICAL, LiverlibError
from liverlib.agreement import Agreement, agreement
from liverlib.cases import volumes
from liverlib.detection import crop_to_content, found_lesions
from liverlib.files import atomic, write_json
from liverlib.lits_script import ScriptCase, script_case, script_column
from liverlib.measures import RULE, Empty, Measure, all_measures, empty
from liverlib.metrics import CaseScore, score_case
from liverlib.processes import in_processes
from liverlib.scan import read_label
from liverlib.tables import said, table


@dataclass(frozen=True)
class CaseEvaluation:
    """One mask against its reference. `lesions` are those found at an overlap above one half."""

    name: str
    score: CaseScore
    liver: Agreement
    tumour: Agreement
    lesions: list[Agreement]
    spacing_known: bool
    lits_script: ScriptCase | None = None


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


def evaluate(
    reference: str | Path,
    predicted: str | Path,
    as_lits_script: bool = False,
    subset: bool = False,
    workers: int | None = None,
) -> Evaluation:
    """Scores the masks of one folder against those of the same name in another.

    With `subset` references without a prediction are passed over; else they are an error, as is
    a prediction without its reference. Raises `LiverlibError` for these and for what cannot be
    read or compared.
    """
    pairs = find_pairs(reference, predicted, subset)
    calls = [(*pair, as_lits_script) for pair in pairs]
    return summarise_cases(list(in_processes(evaluate_case, calls, workers, "evaluating")))


def summarise_cases(cases: list[CaseEvaluation]) -> Evaluation:
    """The measures over cases that have been evaluated one by one."""
    scripts = [case.lits_script for case in cases if case.lits_script]
    counts = {what: empty(getattr(case, what) for case in cases) for what in ("liver", "tumour")}
    return Evaluation(
        cases, all_measures(cases, script_column(scripts) if scripts else None), counts
    )


def evaluate_case(
    name: str, reference: str | Path, predicted: str | Path, as_lits_script: bool = False
) -> CaseEvaluation:
    """Scores one file against another on the same grid; raises `LiverlibError` as reading does."""
    ours = read_label(reference)
    theirs = read_label(predicted, like=ours)
    grid, known = ours.grid, bool(ours.grid.spacing_known)
    spacing = grid.spacing if known else None
    pair = crop_to_content(ours.voxels, theirs.voxels)
    tumours = [one == 2 for one in pair]
    script = None
    if as_lits_script:
        stored = (grid.to_stored(one.voxels) for one in (ours, theirs))
        script = script_case(*stored, grid.header.get_zooms()[:3])
    return CaseEvaluation(
        name,
        score_case(*pair, spacing),
        agreement(*pair, spacing),
        agreement(*tumours, spacing),
        [agreement(*masks, spacing) for masks in found_lesions(*tumours)],
        known,
        script,
    )


def find_pairs(
    reference: str | Path, predicted: str | Path, subset: bool = False
) -> list[tuple[str, Path, Path]]:
    """Name, reference and prediction of each case, in the order of the references' names.

    ``segmentation-3``, ``test-segmentation-3`` and ``volume-3`` (LiTS) and ``liver_3_0000``
    (nnU-Net) are the same name with and without. Raises as `evaluate` does.
    """
    ours, theirs = _masks(Path(reference)), _masks(Path(predicted))
    for path in (path for key, path in theirs.items() if key not in ours):
        raise LiverlibError(
            f"{path}: no reference of that name in {reference}. Add it, or move this file away."
        )
    missing = [path for key, path in ours.items() if key not in theirs]
    if missing and not subset:
        raise LiverlibError(
            f"{missing[0]}: no prediction of that name in {predicted} ({len(missing)} of "
            f"{len(ours)} lack one). Add them, or score a part only: --subset."
        )
    return [(key, ours[key], theirs[key]) for key in ours if key in theirs]


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name one that holds masks as NIfTI files.")
    masks: dict[str, Path] = {}
    named = volumes(folder)
    if any(name.startswith("segmentation-") for name, _ in named):  # LiTS: scans lie beside them
        named = [one for one in named if not one[0].startswith("volume-")]
    for name, path in named:
        key = re.sub(r"^((test-)?segmentation|volume)-(?=\d+$)|(?<=.)_0000$", "", name)
        if key in masks:
            raise LiverlibError(f"{path} and {masks[key]}: two masks of one case. Remove one.")
        masks[key] = path
    if not masks:
        raise LiverlibError(
            f"{folder}: holds no .nii or .nii.gz files. Name the folder of the masks itself, such "
            "as labelsTr."
        )
    return masks


def _shown(measures: Sequence[Measure]) -> list[dict]:
    rows = []
    for one in measures:
        interval = f"{said(one.low)} – {said(one.high)}" if one.low == one.low else ""
        row = {
            "of": one.of, "measure": one.measure, "value": said(one.value),
            "95 % interval": interval, "n": one.n, "left out": one.left_out,
        }  # fmt: skip
        if any(other.lits_script is not None for other in measures):
            script = one.lits_script
            row["LiTS' script"] = "" if script is None else said(script)
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
