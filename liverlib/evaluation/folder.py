"""Masks in a folder against the references in another: every measure that LiTS has, and more.

Each pair is read and scored on its own grid, one process a processor; what comes of it is a table
to print, and CSV and JSON to keep.
"""

import re
from pathlib import Path

from liverlib.core.errors import LiverlibError, failure
from liverlib.core.parallel import in_processes
from liverlib.io.nifti import nifti_files

from .case import CaseResult, score_files
from .summary import Summary, summarise


def evaluate(
    reference: str | Path,
    predicted: str | Path,
    as_lits_script: bool = False,
    subset: bool = False,
    workers: int | None = None,
) -> Summary:
    """Scores the masks of one folder against those of the same name in another.

    Raises `LiverlibError` for a prediction without its reference, and `SomeFailed`, with the
    summary of the others, for masks that cannot be read or compared.

    Args:
        reference: a folder of labels, NIfTI.
        predicted: a folder of masks under the same names.
        as_lits_script: also what the official LiTS script would print.
        subset: pass over references without a prediction, which are an error otherwise.
        workers: processes; one a processor by default.

    >>> evaluate("labelsTr", "masks", subset=True).measure("liver", "Dice").n
    2
    """
    pairs = find_pairs(reference, predicted, subset)
    calls = [(*pair, as_lits_script) for pair in pairs]
    outcomes = list(in_processes(_outcome, calls, workers, "evaluating"))
    scored = [outcome for outcome in outcomes if isinstance(outcome, CaseResult)]
    failed = [outcome for outcome in outcomes if not isinstance(outcome, CaseResult)]
    if failed:
        done = summarise(scored) if scored else None
        raise failure("masks cannot be scored", failed, len(pairs), done)
    return summarise(scored)


def find_pairs(
    reference: str | Path, predicted: str | Path, subset: bool = False
) -> list[tuple[str, Path, Path]]:
    """Name, reference and prediction of each case, in the order of the references' names.

    ``segmentation-3``, ``test-segmentation-3`` and ``volume-3`` (LiTS) and ``liver_3_0000``
    (nnU-Net) are the same name with and without. Raises as `evaluate` does.
    """
    references, predictions = _masks(Path(reference)), _masks(Path(predicted))
    for path in (path for key, path in predictions.items() if key not in references):
        raise LiverlibError(
            f"{path}: no reference of that name in {reference}. Add it, or move this file away."
        )
    missing = [path for key, path in references.items() if key not in predictions]
    if missing and not subset:
        raise LiverlibError(
            f"{missing[0]}: no prediction of that name in {predicted} ({len(missing)} of "
            f"{len(references)} lack one). Add them, or score a part only: --subset."
        )
    return [(key, references[key], predictions[key]) for key in references if key in predictions]


def _outcome(
    name: str, reference: Path, predicted: Path, as_lits_script: bool
) -> CaseResult | LiverlibError:
    """The scored case, or why it cannot be scored: one bad mask must not stop the others."""
    try:
        return score_files(name, reference, predicted, as_lits_script)
    except LiverlibError as error:
        return error


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name one that holds masks as NIfTI files.")
    masks: dict[str, Path] = {}
    named = nifti_files(folder)
    if any(name.startswith("segmentation-") for name, _ in named):  # LiTS: scans lie beside them
        named = [pair for pair in named if not pair[0].startswith("volume-")]
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
