"""The test cases of a run: each segmented, scored on its own grid, and shown."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from liverlib import __version__
from liverlib.core.text import NOT_MEDICAL
from liverlib.data.cases import Case
from liverlib.evaluation.case import score_case
from liverlib.evaluation.summary import summarise
from liverlib.io.nifti import write_volume
from liverlib.view import animation, figures

if TYPE_CHECKING:
    from liverlib.inference.segmenter import Segmenter


def score_cases(cases: Sequence[Case], segmenter: "Segmenter", folder: Path) -> dict:
    """The content of ``metrics.json``, as far as it follows from the cases and the machine.

    Leaves each case's mask, overlay picture and film in `folder`.
    """
    scores = {case.name: _score(case, segmenter, folder) for case in tqdm(cases, "scoring")}
    return {
        "note": NOT_MEDICAL,
        "summary": asdict(summarise(list(scores.values()))),
        "cases": [{"name": name, **asdict(score)} for name, score in scores.items()],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": {name: version(name) for name in ("torch", "numpy", "nibabel")}
        | {"liverlib": __version__},
    }


def _score(case: Case, segmenter: "Segmenter", folder: Path):
    scan, label = case.read()
    mask = segmenter.segment(scan)
    spacing = scan.grid.spacing if scan.grid.spacing_known else None
    write_volume(folder / "masks" / f"{case.name}.nii.gz", mask.voxels, scan.grid)
    figures.save(figures.overlay(scan, label, mask), folder / "overlays" / f"{case.name}.png")
    for kind in ("gif", "mp4"):  # the second only where ffmpeg is there
        animation.film(folder / "films" / f"{case.name}.{kind}", scan, label, mask)
    return score_case(label.voxels, mask.voxels, spacing)
