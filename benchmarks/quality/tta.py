"""What test-time augmentation gains: shifts of a cube, which liverlib averages, beside mirroring.

Scores a run's weights on phantoms that no run has seen (another seed), each with the answers for
the cube as it is averaged with those for the cube moved, or mirrored and mirrored back.
`python benchmarks/tta.py --weights FILE [--cases 30]`
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from liverlib.data.cases import find_cases, labelled
from liverlib.evaluation.case import score_case
from liverlib.evaluation.summary import summarise
from liverlib.inference.prediction import StageOutput
from liverlib.inference.segmenter import SHIFTS, Segmenter, probabilities
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.phantom import PhantomSettings, write_dataset

WAYS = {
    "as it is": [],
    "shifts (--tta)": list(SHIFTS[1:]),
    "mirrored right–left": [0],
    "mirrored front–back": [1],
    "mirrored head–feet": [2],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="default: liverlib's own")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    segmenter = Segmenter.load(options.weights or PRETRAINED)
    settings = PhantomSettings(cases=options.cases, unlabelled=0, seed=options.seed)
    scores = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for case in labelled(find_cases(write_dataset(Path(folder) / "Task03_Liver", settings))):
            scan, label = case.read()
            prediction = segmenter.predict(scan)
            for name, ways in WAYS.items():
                both = zip((segmenter.body, segmenter.liver), prediction.looks, strict=False)
                looks = [more(seen, look.networks[0], ways) for look, seen in both]
                mask = replace(prediction, looks=looks).mask()
                scores[name].append(score_case(label.voxels, mask.voxels, scan.grid.spacing))
    print(f"{options.cases} phantoms of seed {options.seed}\n")
    print("| answers averaged | liver Dice | tumour Dice | difference | found | missed | false |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, found in scores.items():
        told(name, found, scores["as it is"])


def more(seen: StageOutput, network: object, ways: list) -> StageOutput:
    """A look with the answers for the cube moved by a shift, or mirrored along an axis, too."""
    answers = [*seen.answers]
    for way in ways:
        if isinstance(way, tuple):
            answers.append(probabilities(network, seen.cube, way))
        else:
            cube = replace(seen.cube, image=np.ascontiguousarray(np.flip(seen.cube.image, way)))
            answers.append(np.flip(probabilities(network, cube), 1 + way))
    return StageOutput(seen.cube, np.stack(answers))


def told(name: str, found: list, usual: list) -> None:
    all_ = summarise(found)
    pairs = zip(found, usual, strict=True)
    differences = [one.tumour_dice - other.tumour_dice for one, other in pairs if one.has_tumour]
    error = np.std(differences) / len(differences) ** 0.5
    lesions = all_.detected
    print(f"| {name} | {all_.liver_dice.mean:.3f} | {all_.tumour_dice.mean:.3f} | "
          f"{np.mean(differences):+.3f} ± {error:.3f} | {lesions.found} | {lesions.missed} | "
          f"{lesions.false} |")  # fmt: skip


if __name__ == "__main__":
    main()
