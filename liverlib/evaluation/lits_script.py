"""What the official LiTS scoring script prints for the same masks, errors included.

A column to compare with published tables, nothing more. Kept on purpose: several lesions under
one prediction are merged and taken off the count again (which can go below zero), the outcome
hangs on the order of the lesions in the file, volume difference is the wrong way round, the
largest error of tumour burden has a sign, what is missing counts 9001, and spacing is believed.
A reference without tumour, at which the script stops, counts as no lesion (as TriALS mends it).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array

from liverlib.core.arrays import Spacing, components, crop_to_content, ratio
from liverlib.core.errors import LiverlibError

from .lesion_matching import joint_box, shared_voxels
from .overlap import dice
from .surface_distance import surface_score

MISSING = 9001.0
MEASURES = ("Dice", "VOE", "RVD", "ASSD", "RMSD", "MSSD")
MOST_CELLS = 10_000_000  # of the table of overlaps, which the script goes through again and again
WORST = dict(zip(MEASURES, (0.0, 1.0, *[MISSING] * 4), strict=True))
Scores = dict[str, float]


@dataclass(frozen=True)
class ScriptCase:
    """What the script keeps of one case."""

    liver: Scores
    lesions: list[Scores]  # of those it calls detected
    counts: dict[float, tuple[int, int, int]]  # tp, fp, fn; by overlap
    dice: tuple[float, float]  # liver, tumour
    voxels: tuple[tuple[int, int], tuple[int, int]]  # shared, and of both: liver, tumour
    burden: float  # of the reference, less the predicted

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ScriptCase":
        """The record in JSON's values, whose keys are text and whose tuples are lists."""
        counts = {float(above): tuple(n) for above, n in values["counts"].items()}
        voxels = tuple(tuple(pair) for pair in values["voxels"])
        return cls(**{**values, "counts": counts, "dice": tuple(values["dice"]), "voxels": voxels})


def script_case(
    reference: np.ndarray, predicted: np.ndarray, zooms: Spacing, name: str = "this case"
) -> ScriptCase:
    """One case. Arrays of classes in the order of the file's axes, and the header's zooms.

    Raises `LiverlibError` where predicted lesions that overlap one of the reference, times those
    of the reference, are more than 10,000,000.
    """
    reference, predicted = crop_to_content(reference, predicted)
    tumours = reference == 2, predicted == 2
    reference_ids, predicted_ids = (components(tumour)[0] for tumour in tumours)
    shared, reference_voxels, predicted_voxels = shared_voxels(reference_ids, predicted_ids)
    _check_table(len(np.unique(shared.coords[1])), len(reference_voxels), name)
    counts = {}
    for above in (0.0, 0.5):
        tp, names, merged = _detect(shared.T, reference_voxels, predicted_voxels, above)
        counts[above] = tp, len(predicted_voxels) - tp, len(reference_voxels) - tp
    lesions = _lesions(reference_ids, predicted_ids, merged, names, zooms) if tp > 0 else []
    livers = reference >= 1, predicted >= 1
    exists = bool((predicted == 1).any())  # a liver that is tumour all over is none
    kept = livers if exists else (livers[0], np.zeros_like(livers[1]))
    return ScriptCase(
        _scores(*kept, zooms),
        lesions,
        counts,
        (dice(*livers) if exists else 0.0, dice(*tumours)),
        (_voxels(*kept), _voxels(*tumours)),
        _burden(reference) - (_burden(predicted) if exists else MISSING),
    )


def _check_table(predictions: int, references: int, name: str) -> None:
    if predictions * references > MOST_CELLS:
        raise LiverlibError(
            f"{name}: {predictions:,} predicted tumours overlap a reference that holds "
            f"{references:,}: too many for the LiTS script. Check the masks, or leave out "
            "--as-lits-script."
        )


def script_column(cases: Sequence[ScriptCase]) -> dict[tuple[str, str], float]:
    """The script's figures over all cases, by object and measure."""
    column: dict[tuple[str, str], float] = {}
    lesions = [lesion for case in cases for lesion in case.lesions] or [WORST]
    for of, scores in (("liver", [case.liver for case in cases]), ("lesion detected", lesions)):
        column |= {(of, name): _mean(score[name] for score in scores) for name in MEASURES}
    for i, of in enumerate(("liver", "tumour")):
        shared, both = np.sum([case.voxels[i] for case in cases], axis=0)
        column[of, "Dice global"] = ratio(2 * shared, both)
        column[of, "Dice"] = _mean(case.dice[i] for case in cases)
    column["tumour", "Dice, LiTS rule"] = column.pop(("tumour", "Dice"))
    for above, name in ((0.0, "lesion, IoU > 0"), (0.5, "lesion, IoU > 0.5")):
        tp, fp, fn = np.sum([case.counts[above] for case in cases], axis=0)
        column[name, "precision"] = tp / (tp + fp) if tp + fp else 0.0
        column[name, "recall"] = tp / (tp + fn) if tp + fn else 0.0
    errors = np.array([case.burden for case in cases])
    column["burden", "RMSE"] = float(np.sqrt((errors**2).mean()))
    column["burden", "largest error"] = float(errors.max())
    return {key: float(value) for key, value in column.items()}


def _detect(
    shared: coo_array, reference_voxels: np.ndarray, predicted_voxels: np.ndarray, above: float
) -> tuple[int, np.ndarray, np.ndarray]:
    """The script's count of detected lesions, and the names that it gives to the predicted and
    the reference's lesions where it pairs and merges them (0: not detected).

    `shared`: voxels of each predicted lesion (rows) in each of the reference (columns).
    """
    names, merged = np.zeros(len(predicted_voxels), int), np.arange(1, len(reference_voxels) + 1)
    predictions = 1 + np.unique(shared.coords[0])
    overlaps = shared.tocsr()
    references, table = merged.copy(), overlaps[predictions - 1].toarray()
    merge_count = dict.fromkeys(references.tolist(), 1)
    for i in range(len(predictions)):  # references under one prediction become one
        under = [j for j in np.nonzero(table[i])[0] if table[:, j].argmax() == i]
        for j in under:
            merge_count[references[j]] = len(under)
            merged[merged == references[j]] = references[under[0]]
        table, references = _join(table.T, under).T, np.delete(references, under[1:])
    if table.size:  # each prediction keeps the one reference that it shares most with
        table = np.where(np.arange(table.shape[1]) == table.argmax(1)[:, None], table, 0)
    for column, name in enumerate(references):  # predictions in one reference become one
        inside = np.nonzero(table[:, column])[0]
        names[predictions[inside] - 1] = name
        table, predictions = _join(table, inside), np.delete(predictions, inside[1:])
    tp = len(predictions)
    for i, j in np.argwhere(table):
        # The script asks for the prediction's old name, which may be another's new one by now.
        rows, columns = names == predictions[i], merged == references[j]
        both = predicted_voxels[rows].sum() + reference_voxels[columns].sum()
        union = both - overlaps[np.flatnonzero(rows)][:, np.flatnonzero(columns)].sum()
        if table[i, j] / union <= above:
            names[names == references[j]] = 0
            tp -= merge_count[references[j]]
    return tp, names, merged


def _join(table: np.ndarray, rows: Sequence | np.ndarray) -> np.ndarray:
    """The table with some rows added up, in the place of the first of them."""
    if len(rows) < 2:
        return table
    table = table.copy()
    table[rows[0]] = table[rows].sum(0)
    return np.delete(table, rows[1:], axis=0)


def _lesions(
    reference_ids: np.ndarray,
    predicted_ids: np.ndarray,
    merged: np.ndarray,
    names: np.ndarray,
    zooms: Spacing,
) -> list[Scores]:
    reference, predicted = np.append(0, merged)[reference_ids], np.append(0, names)[predicted_ids]
    names = np.unique(names[names > 0])
    highest = int(names.max(initial=1))
    boxes = [ndimage.find_objects(numbered, highest) for numbered in (reference, predicted)]
    boxed = ((name, joint_box(*(sides[name - 1] for sides in boxes))) for name in names)
    return [_scores(reference[box] == name, predicted[box] == name, zooms) for name, box in boxed]


def _scores(reference: np.ndarray, predicted: np.ndarray, zooms: Spacing) -> Scores:
    reference, predicted = crop_to_content(reference, predicted)
    reference_voxels, predicted_voxels = np.count_nonzero(reference), np.count_nonzero(predicted)
    if not reference_voxels or not predicted_voxels:
        return WORST
    overlap, distances = dice(reference, predicted), surface_score(reference, predicted, zooms)
    rvd = (reference_voxels - predicted_voxels) / predicted_voxels
    values = overlap, 1 - overlap / (2 - overlap), rvd
    millimetres = distances.assd, distances.rmsd, distances.mssd
    return dict(zip(MEASURES, (*values, *millimetres), strict=True))


def _voxels(reference: np.ndarray, predicted: np.ndarray) -> tuple[int, int]:
    masks = reference & predicted, reference, predicted
    shared, reference_voxels, predicted_voxels = (int(np.count_nonzero(mask)) for mask in masks)
    return shared, reference_voxels + predicted_voxels


def _burden(classes: np.ndarray) -> float:
    return ratio(int(np.count_nonzero(classes == 2)), int(np.count_nonzero(classes)))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
