"""Chooses on phantoms how readily the ROI stage calls a tumour, and writes that into its weights.

Two numbers are chosen. The tumour's logit is raised or lowered, which decides where a lesion ends;
and a lesion must reach some probability to stay one, which decides whether there is one. Of all
pairs that predict, in every kind of phantoms, at most 2 ml of tumour on average in livers without
any, and call at most 2 % of the gallbladders tumour, the one with the highest tumour Dice is kept,
averaged over the kinds. The phantoms are those that `make run` trains on, none of those that it
scores; hard ones, in which other organs have the liver's HU: as they are, with a dark band through
the liver, as between arms, with much noise; and `scans.KINDS`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report
from scans import KINDS, between_arms, hard_phantoms, noisy, phantoms_of, with_dark_band
from scores import Score, last_state, score, summed

from liverlib.inference.postprocessing import PostprocessSettings, postprocess
from liverlib.inference.prediction import StageOutput
from liverlib.inference.segmenter import Segmenter, Stage
from liverlib.io.volume import Volume
from liverlib.models.unet import N_CLASSES, UNet3D
from liverlib.models.weights import load_networks, save_networks
from liverlib.pipeline.presets import STAGES
from liverlib.pipeline.run import Run

AMOUNTS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
LEAST = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995)
NOW = 0.0, PostprocessSettings.min_lesion_probability
MAX_FALSE_ML, MAX_GALLBLADDER = 2.0, 0.02
Networks = list[tuple[UNet3D, dict]]
Choice = tuple[float, float]  # what is added to the logit, and the probability to be reached
Scores = dict[str, Score]  # by kind of phantoms


def main() -> None:
    options = arguments()
    networks, segmenter = trained(options.weights, options.then)
    with Report(__file__) as report:
        scores = scores_by_choice(segmenter, groups(options.cases))
        report.text(
            "What the tumour's logit is raised by, and the probability that a lesion must reach. "
            "The mean tumour Dice over the kinds of phantoms; the most false tumour in a liver "
            "without any, and the most of the gallbladders called tumour, in any kind; lesions at "
            "an IoU above 0.5, in all kinds."
        )
        report.table([summary_row(*item) for item in scores.items()])
        best = max(scores, key=lambda choice: merit(scores[choice]))
        report.text(f"Chosen: raised by {best[0]:g}, {best[1]:g} to be reached.")
        report.text(
            "By kind: liver Dice, tumour Dice, false tumour in a liver without any, gallbladder "
            "called tumour (in the last seven kinds), lesions at an IoU above 0.5."
        )
        report.table([kind_row(kind, scores, (NOW, best)) for kind in scores[best]])
    if options.output:
        for network, about in networks:
            if about["cube"]["crop"] == "liver":
                raise_tumour(network, best[0])
                about["raised"] = about.get("raised", 0.0) + best[0]
        save_networks(options.output, networks, half=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="where to write them, in 16 bits")
    parser.add_argument("--then", type=Path, metavar="RUN", help="a later run, whose last states")
    parser.add_argument("--cases", type=int, help="phantoms of each kind (default: all)")
    return parser.parse_args()


def trained(weights: Path, then: Path | None) -> tuple[Networks, Segmenter]:
    """The networks in a file and their segmenter; of a later run's stages the last states.

    Without changed contrasts and a fine stage, in which tumours are added after all this.
    """
    networks = load_networks(weights)
    segmenter = replace(Segmenter.load(weights), fine=None, contrasts=())
    for n, name in enumerate(STAGES):
        if then and (then / name).exists():
            networks[n] = network, _ = last_state(then / name)
            stage = Stage([network], getattr(segmenter, name).cube)
            segmenter = replace(segmenter, **{name: stage})
    return networks, segmenter


def groups(cases: int | None) -> Iterator[tuple[str, Sequence[Sequence[Volume]]]]:
    """The phantoms by kind: scan, label and, in `KINDS`, the lumen of the gallbladder."""
    hard = [case.read() for case in hard_phantoms()[:cases]]
    yield "phantoms", [case.read() for case in Run().parts["train"][:cases]]
    yield "hard", hard
    yield "with a dark band", [with_dark_band(*pair) for pair in hard]
    yield "between arms", [between_arms(*pair, seed) for seed, pair in enumerate(hard)]
    yield "noisy", [noisy(*pair, seed) for seed, pair in enumerate(hard)]
    for kind in KINDS:
        yield kind, phantoms_of(kind)[:cases]


def scores_by_choice(
    segmenter: Segmenter, groups: Iterable[tuple[str, Sequence[Sequence[Volume]]]]
) -> dict[Choice, Scores]:
    """The scores of each choice on each kind of phantoms."""
    scores: dict[Choice, Scores] = {choice: {} for choice in product(AMOUNTS, LEAST)}
    for group, volumes in groups:
        cases: dict[Choice, list[Score]] = {choice: [] for choice in scores}
        for scan, label, *gallbladder in tqdm(volumes, group):
            prediction = segmenter.predict(scan)
            *coarse, last = prediction.stages
            known: dict[bytes, Score] = {}  # of masks alike, one is scored
            for choice, each in cases.items():
                stage = chosen(last, *choice)
                key = np.packbits(stage.kept >= 0.5).tobytes() + bytes(str(choice[0]), "ascii")
                if key not in known:
                    mask = replace(prediction, stages=[*coarse, stage]).mask
                    known[key] = score(label, mask) | in_gallbladder(mask, *gallbladder)
                each.append(known[key])
        for choice, each in cases.items():
            called, bile = (sum(case[key] for case in each) for key in ("called", "bile"))
            scores[choice][group] = summed(each) | {"gallbladder": called / max(bile, 1)}
    return scores


def in_gallbladder(mask: Volume, gallbladder: Volume | None = None) -> Score:
    """Voxels of the gallbladder's lumen, and how many of them are called tumour."""
    if gallbladder is None:
        return {"called": 0.0, "bile": 0.0}
    lumen = mask.voxels[gallbladder.voxels > 0]
    return {"called": float((lumen == 2).sum()), "bile": float(lumen.size)}


def chosen(stage: StageOutput, amount: float, least: float) -> StageOutput:
    """The stage's output with so much added to the tumour's logit; lesions reach `least`."""
    liver, tumour = stage.probabilities[:, 0], stage.probabilities[:, 1]
    more = np.float32(np.exp(amount)) * tumour
    total = 1 - tumour + more
    probabilities = np.stack([(liver - tumour + more) / total, more / total], 1)
    settings = PostprocessSettings(min_lesion_probability=least)
    kept = postprocess(probabilities.mean(axis=0), settings)
    return replace(stage, probabilities=probabilities, kept=kept)


@torch.no_grad()
def raise_tumour(network: UNet3D, amount: float) -> None:
    """Adds to the tumour's logit, wherever it is made."""
    network.head.bias.view(N_CLASSES, -1)[2] += amount


def merit(scores: Scores) -> tuple[bool, float]:
    """Few false tumours first, then the tumours' Dice; each kind of phantoms counts alike."""
    false, bile = most_false(scores)
    excess = max(false / MAX_FALSE_ML, bile / MAX_GALLBLADDER)
    return excess <= 1, mean_tumour(scores) if excess <= 1 else -excess


def most_false(scores: Scores) -> tuple[float, float]:
    """The most false tumour of any kind, ml, and the most gallbladder called tumour."""
    false = float(np.nanmax([each["false_ml"] for each in scores.values()]))
    return false, max(each["gallbladder"] for each in scores.values())


def mean_tumour(scores: Scores) -> float:
    """The tumours' Dice; each kind of phantoms counts alike."""
    return sum(each["tumour"] for each in scores.values()) / len(scores)


def summary_row(choice: Choice, scores: Scores) -> dict[str, str]:
    """A row of the table of all choices."""
    return {"raised by": f"{choice[0]:g}", **summary(f"{choice[1]:g}", scores)}


def summary(least: str, scores: Scores) -> dict[str, str]:
    """The cells that tell what a lesion must reach, and what comes of it over all kinds."""
    false, bile = most_false(scores)
    found, wrong = (int(sum(each[key] for each in scores.values())) for key in ("tp", "fp"))
    return {
        "to be reached": least,
        "tumour Dice": f"{mean_tumour(scores):.3f}",
        "most false tumour": f"{false:.1f} ml",
        "most of the gallbladders": f"{100 * bile:.1f} %",
        "found": str(found),
        "false lesions": str(wrong),
        "": "" if merit(scores)[0] else "over a limit",
    }


def kind_row(kind: str, scores: dict[Choice, Scores], choices: Iterable[Choice]) -> dict[str, str]:
    """A row of the table of kinds."""
    cells = {}
    for amount, least in choices:
        each = scores[amount, least][kind]
        cells[f"raised by {amount:g}, {least:g} to be reached"] = (
            f"{each['liver']:.3f}, {each['tumour']:.3f}, {each['false_ml']:.1f} ml, "
            f"{100 * each['gallbladder']:.1f} %, {each['tp']} tp, {each['fp']} fp"
        )
    return {"phantoms": kind, **cells}


if __name__ == "__main__":
    main()
