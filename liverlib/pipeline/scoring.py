"""The test cases of a run: each segmented, scored on its own grid, and shown."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from liverlib import __version__
from liverlib.core.errors import LiverlibError
from liverlib.data.cases import Case
from liverlib.evaluation.case import CaseResult, score_volumes
from liverlib.evaluation.summary import Summary, summarise
from liverlib.io.nifti import write_volume
from liverlib.view import animation, figures

if TYPE_CHECKING:
    from liverlib.inference.segmenter import Segmenter


def score_cases(cases: Sequence[Case], segmenter: "Segmenter", folder: Path) -> Summary:
    """The summary of the cases; leaves each one's mask, overlay picture and film in `folder`."""
    return summarise([_score(case, segmenter, folder) for case in tqdm(cases, "scoring")])


def machine() -> dict[str, Any]:
    """What it was computed on, and with which versions."""
    versions = {name: version(name) for name in ("torch", "numpy", "nibabel")}
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": versions | {"liverlib": __version__},
    }


def _score(case: Case, segmenter: "Segmenter", folder: Path) -> CaseResult:
    scan, label = case.read()
    if label is None:
        raise LiverlibError(f"{case.image}: has no label. Scoring needs one: add it to labelsTr.")
    mask = segmenter.predict(scan).mask
    write_volume(folder / "masks" / f"{case.name}.nii.gz", mask.voxels, scan.grid)
    figures.save(figures.overlay(scan, label, mask), folder / "overlays" / f"{case.name}.png")
    animation.animate(folder / "films" / f"{case.name}.gif", scan, label, mask)
    return score_volumes(case.name, label, mask)
