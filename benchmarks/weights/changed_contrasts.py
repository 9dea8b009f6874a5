"""Chooses on phantoms how certain a tumour must be that is found in a changed contrast.

The phantoms and the rule are those of `calibrate.py`: of all probabilities that keep to its two
limits, the one with the highest tumour Dice, averaged over the kinds. First each contrast alone is
added to what the ROI stage finds, then those that liverlib has together.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))
from calibrate import Scores, groups, in_gallbladder, summary
from report import Report
from scores import Score, score, summed

from liverlib.core.arrays import Spacing
from liverlib.inference.contrasts import INVERTED, STRETCHED, ChangedContrast
from liverlib.inference.segmenter import Segmenter
from liverlib.inference.stage_output import StageOutput
from liverlib.io.volume import Volume
from liverlib.models.weights import PRETRAINED

GAINS = ((1.5, 0.0), (2.0, 0.0), (-1.0, 0.0), (-1.0, 9.0), (-1.5, 9.0))  # and radii, mm
LEAST = (0.95, 0.97, 0.98, 0.99)
Contrasts = tuple[ChangedContrast, ...]
ALONE = [(ChangedContrast(gain, least, mm),) for (gain, mm), least in product(GAINS, LEAST)]
COMPARED: tuple[Contrasts, ...] = ((), (STRETCHED,), (STRETCHED, INVERTED))
NAMES = "none", "stretched", "stretched and inverted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="?", default=PRETRAINED)
    parser.add_argument("--cases", type=int, help="phantoms of each kind (default: all)")
    options = parser.parse_args()
    with Report(__file__) as report:
        scores = scores_by_contrasts(Segmenter.load(options.weights), groups(options.cases))
        report.text(
            "One changed contrast: its gain, the radius in mm of the ball that must fit into "
            "a bright tumour (0: any tumour), and the probability that must be reached. The mean "
            "tumour Dice over the kinds of phantoms; the most false tumour in a liver without any, "
            "and the most of the gallbladders called tumour, in any kind; lesions at an IoU above "
            "0.5, in all kinds."
        )
        report.table([row(contrasts, scores[contrasts]) for contrasts in ((), *ALONE)])
        report.text("None, the stretched contrast, and the inverted one too, as liverlib has them.")
        report.table([row(contrasts, scores[contrasts]) for contrasts in COMPARED])
        report.text(
            "The same by kind: tumour Dice, false tumour in livers without any, gallbladder called "
            "tumour (in the last seven kinds), lesions at an IoU above 0.5."
        )
        report.table([kind_row(kind, scores) for kind in scores[()]])


def scores_by_contrasts(
    segmenter: Segmenter, groups: Iterable[tuple[str, Sequence[Sequence[Volume]]]]
) -> dict[Contrasts, Scores]:
    """The scores of each choice of contrasts on each kind of phantoms."""
    segmenter = replace(segmenter, fine=None, contrasts=())
    scores: dict[Contrasts, Scores] = {contrasts: {} for contrasts in (*COMPARED, *ALONE)}
    for group, volumes in groups:
        cases: dict[Contrasts, list[Score]] = {contrasts: [] for contrasts in scores}
        for scan, label, *gallbladder in tqdm(volumes, group):
            prediction = segmenter.predict(scan)
            *before, roi = prediction.stages
            known: dict[bytes, Score] = {}  # of masks alike, one is scored
            for contrasts, stage in with_contrasts(segmenter, roi, scan.grid.spacing, scores):
                key = np.packbits(stage.kept >= 0.5).tobytes()
                if key not in known:
                    mask = replace(prediction, stages=[*before, stage]).mask
                    known[key] = score(label, mask) | in_gallbladder(mask, *gallbladder)
                cases[contrasts].append(known[key])
        for contrasts, each in cases.items():
            called, bile = (sum(case[key] for case in each) for key in ("called", "bile"))
            scores[contrasts][group] = summed(each) | {"gallbladder": called / max(bile, 1)}
    return scores


def with_contrasts(
    segmenter: Segmenter, roi: StageOutput, spacing: Spacing, choices: Iterable[Contrasts]
) -> Iterator[tuple[Contrasts, StageOutput]]:
    """The ROI stage's outcome with the tumours that each choice of contrasts adds."""
    assert segmenter.roi
    tumours: dict[float, np.ndarray] = {}
    for contrasts in choices:
        found = np.zeros_like(roi.kept[1])
        for contrast in contrasts:
            if contrast.gain not in tumours:
                tumours[contrast.gain] = segmenter.roi.predict(contrast.cube(roi)).mean(axis=0)[1]
            np.maximum(found, contrast.find(roi, tumours[contrast.gain], spacing), out=found)
        yield contrasts, roi.with_tumours(found)


def row(contrasts: Contrasts, scores: Scores) -> dict[str, str]:
    """A row of the tables of contrasts."""
    each = [(change.gain, change.least_radius_mm, change.least_peak) for change in contrasts]
    columns = zip(*each, strict=True) if each else ((), (), ())
    gain, radius, least = (", ".join(f"{value:g}" for value in column) for column in columns)
    return {"gain": gain or "none", "radius": radius, **summary(least, scores)}


def kind_row(kind: str, scores: dict[Contrasts, Scores]) -> dict[str, str]:
    """A row of the table of kinds."""
    cells = {}
    for name, contrasts in zip(NAMES, COMPARED, strict=True):
        each = scores[contrasts][kind]
        cells[name] = (
            f"{each['tumour']:.3f}, {each['false_ml']:.1f} ml, {100 * each['gallbladder']:.1f} %, "
            f"{each['tp']} tp, {each['fp']} fp"
        )
    return {"phantoms": kind, **cells}


if __name__ == "__main__":
    main()
