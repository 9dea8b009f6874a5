"""Test-time augmentation: shifts of a cube, which liverlib averages, beside mirroring.

Scores weights on phantoms that no run has seen. The predictions for the cube as it is are averaged
with those for the cube moved, or mirrored and mirrored back. Changed contrasts are left out.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report
from scores import Score, score, summed

from liverlib.data.cases import find_cases, labelled
from liverlib.inference.postprocessing import postprocess, roi_box
from liverlib.inference.prediction import Prediction, StageOutput
from liverlib.inference.segmenter import SHIFTS, Segmenter, Stage, probabilities
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import PhantomSettings

Change = tuple[int, int, int] | int  # a shift, or the axis to mirror along
CHANGES: dict[str, list[Change]] = {
    "as it is": [],
    "shifts (--tta)": list(SHIFTS[1:]),
    "mirrored right–left": [0],
    "mirrored front–back": [1],
    "mirrored head–feet": [2],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=PRETRAINED)
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    segmenter = replace(Segmenter.load(options.weights), contrasts=(), fine=None)
    settings = PhantomSettings(cases=options.cases, unlabelled=0, seed=options.seed)
    scores: dict[str, list[Score]] = {name: [] for name in CHANGES}
    with Report(__file__) as report, tempfile.TemporaryDirectory() as folder:
        for case in labelled(find_cases(write_phantoms(Path(folder) / "Task03_Liver", settings))):
            scan, label = case.read()
            prediction = segmenter.predict(scan)
            for name, changes in CHANGES.items():
                mask = averaged(segmenter, prediction, changes).mask
                scores[name].append(score(label, mask))
        report.text(f"{options.cases} phantoms of seed {options.seed}")
        report.columns(
            "predictions averaged", "liver Dice", "tumour Dice", "difference", "tp", "fn", "fp"
        )
        for name, cases in scores.items():
            report.row(name, *values(cases, scores["as it is"]))


def averaged(segmenter: Segmenter, prediction: Prediction, changes: Sequence[Change]) -> Prediction:
    """The prediction, each stage of it averaged with those for the changed cube."""
    stages = zip((segmenter.coarse, segmenter.roi), prediction.stages, strict=False)
    outputs = [with_changes(*stage, prediction, changes) for stage in stages]
    return replace(prediction, stages=outputs)


def with_changes(
    stage: Stage, output: StageOutput, prediction: Prediction, changes: Sequence[Change]
) -> StageOutput:
    """A stage's output with the predictions for the cube moved, or mirrored along an axis, too."""
    each, cube, network = [*output.probabilities], output.cube, stage.networks[0]
    for change in changes:
        if isinstance(change, tuple):
            each.append(probabilities(network, cube, change))
        else:
            mirrored = replace(cube, image=np.ascontiguousarray(np.flip(cube.image, change)))
            each.append(np.flip(probabilities(network, mirrored), 1 + change))
    stacked = np.stack(each)
    kept = postprocess(stacked.mean(axis=0), prediction.settings)
    return StageOutput(cube, stacked, kept, roi_box(cube, kept, prediction.grid.spacing))


def values(scores: Sequence[Score], unchanged: Sequence[Score]) -> list[str | float]:
    """A row's values; ± is one standard error of the difference in tumour Dice."""
    total = summed(scores)
    pairs = zip(scores, unchanged, strict=True)
    differences = [
        case["tumour"] - other["tumour"] for case, other in pairs if not np.isnan(case["tumour"])
    ]
    error = np.std(differences) / len(differences) ** 0.5
    dices = [f"{total[key]:.3f}" for key in ("liver", "tumour")]
    difference = f"{np.mean(differences):+.3f} ± {error:.3f}"
    return [*dices, difference, *(total[key] for key in ("tp", "fn", "fp"))]


if __name__ == "__main__":
    main()
