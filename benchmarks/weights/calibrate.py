"""Chooses on phantoms how readily the ROI stage calls a tumour, and writes that into its weights.

Tumours are more frequent in training than in a scan, so the tumour's logit is raised or lowered by
several amounts. Of those that predict, in every kind of phantoms, at most 2 ml of tumour on average
in livers without any, and call at most 2 % of the gallbladders tumour, the one with the highest
tumour Dice is kept, averaged over the kinds. The phantoms are those that `make run` trains on, none
of those that it scores; hard ones, in which other organs have the liver's HU: as they are, with a
dark band through the liver, as between arms, with much noise; and `scans.KINDS`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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

AMOUNTS = (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
MAX_FALSE_ML, MAX_GALLBLADDER = 2.0, 0.02
Networks = list[tuple[UNet3D, dict]]
Scores = dict[str, Score]  # by kind of phantoms


def main() -> None:
    options = arguments()
    networks, segmenter = trained(options.weights, options.then)
    settings = PostprocessSettings(min_lesion_probability=options.min_lesion_probability)
    segmenter = replace(segmenter, settings=settings)
    with Report(__file__) as report:
        scores = scores_by_amount(segmenter, groups(options.cases))
        report.text(
            "Amounts by which the tumour's logit is raised. Each cell: liver Dice, tumour Dice, "
            "false tumour in a liver without any, gallbladder called tumour (in the last seven "
            "kinds), lesions at an IoU above 0.5."
        )
        report.table([row(*item) for item in scores.items()])
        best = max(AMOUNTS, key=lambda amount: merit(scores[amount]))
        report.text(f"Chosen: {best:g}")
    if options.output:
        for network, about in networks:
            if about["cube"]["crop"] == "liver":
                raise_tumour(network, best)
                about["raised"] = about.get("raised", 0.0) + best
        save_networks(options.output, networks, half=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="where to write them, in 16 bits")
    parser.add_argument("--then", type=Path, metavar="RUN", help="a later run, whose last states")
    parser.add_argument(
        "--min-lesion-probability", type=float, metavar="P", help="as in `liverlib segment`",
        default=PostprocessSettings.min_lesion_probability,
    )  # fmt: skip
    parser.add_argument("--cases", type=int, help="phantoms of each kind (default: all)")
    return parser.parse_args()


def trained(weights: Path, then: Path | None) -> tuple[Networks, Segmenter]:
    """The networks in a file and their segmenter; of a later run's stages the last states."""
    networks, segmenter = load_networks(weights), Segmenter.load(weights)
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


def scores_by_amount(
    segmenter: Segmenter, groups: Iterable[tuple[str, Sequence[Sequence[Volume]]]]
) -> dict[float, Scores]:
    """The scores of each amount on each kind of phantoms."""
    scores: dict[float, Scores] = {amount: {} for amount in AMOUNTS}
    for group, volumes in groups:
        cases: dict[float, list[Score]] = {amount: [] for amount in AMOUNTS}
        for scan, label, *gallbladder in tqdm(volumes, group):
            prediction = segmenter.predict(scan)
            *coarse, last = prediction.stages
            for amount, each in cases.items():
                stages = [*coarse, raised(last, amount, segmenter.settings)]
                mask = replace(prediction, stages=stages).mask
                each.append(score(label, mask) | in_gallbladder(mask, *gallbladder))
        for amount, each in cases.items():
            called, bile = (sum(case[key] for case in each) for key in ("called", "bile"))
            scores[amount][group] = summed(each) | {"gallbladder": called / max(bile, 1)}
    return scores


def in_gallbladder(mask: Volume, gallbladder: Volume | None = None) -> Score:
    """Voxels of the gallbladder's lumen, and how many of them are called tumour."""
    if gallbladder is None:
        return {"called": 0.0, "bile": 0.0}
    lumen = mask.voxels[gallbladder.voxels > 0]
    return {"called": float((lumen == 2).sum()), "bile": float(lumen.size)}


def raised(stage: StageOutput, amount: float, settings: PostprocessSettings) -> StageOutput:
    """The stage's output with so much added to the tumour's logit."""
    liver, tumour = stage.probabilities[:, 0], stage.probabilities[:, 1]
    more = np.float32(np.exp(amount)) * tumour
    total = 1 - tumour + more
    probabilities = np.stack([(liver - tumour + more) / total, more / total], 1)
    kept = postprocess(probabilities.mean(axis=0), settings)
    return replace(stage, probabilities=probabilities, kept=kept)


@torch.no_grad()
def raise_tumour(network: UNet3D, amount: float) -> None:
    """Adds to the tumour's logit, wherever it is made."""
    network.head.bias.view(N_CLASSES, -1)[2] += amount


def merit(scores: Scores) -> tuple[bool, float]:
    """Few false tumours first, then the tumours' Dice; each kind of phantoms counts alike."""
    false = np.nanmax([each["false_ml"] for each in scores.values()]) / MAX_FALSE_ML
    bile = max(each["gallbladder"] for each in scores.values()) / MAX_GALLBLADDER
    dices = [each["tumour"] for each in scores.values()]
    within = bool(max(false, bile) <= 1)
    return within, sum(dices) / len(dices) if within else -max(false, bile)


def row(amount: float, scores: Scores) -> dict[str, str]:
    """A row of the table."""
    cells = {
        group: f"{each['liver']:.3f}, {each['tumour']:.3f}, {each['false_ml']:.1f} ml, "
        f"{100 * each['gallbladder']:.1f} %, {each['tp']} tp, {each['fp']} fp"
        for group, each in scores.items()
    }
    return {"raised by": f"{amount:g}", **cells}


if __name__ == "__main__":
    main()
