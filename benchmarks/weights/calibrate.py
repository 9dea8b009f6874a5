"""How readily the second look calls a tumour: chosen on phantoms, and written into its weights.

`python benchmarks/calibrate.py WEIGHTS [--then RUN] -o OUT`. With `--then` the looks are the last
states of another training, where its folder has them. Tumours are not as frequent in training as in
a scan, so the tumour's logit is raised or lowered by several amounts. Of those that draw at most
5 ml of tumour, on average, in livers without any, in every kind of phantoms, the one of the highest
tumour Dice is kept. The phantoms are those that `make run` trains on, none of them among those it
scores, and hard ones, in which other organs have the liver's HU: as they are, with a dark band
through the liver, as between arms, and with much noise.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ablation import hard_phantoms, last_state, score, shaded
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from liverlib.core.text import table
from liverlib.evaluation.case import CaseScore
from liverlib.evaluation.summary import Summary, summarise
from liverlib.inference.postprocessing import PostprocessSettings
from liverlib.inference.prediction import StageOutput
from liverlib.inference.segmenter import Stage, Segmenter
from liverlib.io.volume import Volume
from liverlib.models.unet import CLASSES, UNet3D
from liverlib.models.weights import load_networks, save_networks
from liverlib.pipeline.run import Run

AMOUNTS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
MOST_FALSE = 5.0  # ml
NOISE = 20.0  # HU, the standard deviation in the noisy ones
DARKER, STREAKS = 35.0, 10.0  # HU, at most, between arms; and the streaks' standard deviation

Pair = tuple[Volume, Volume]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="where to write them, in 16 bits")
    parser.add_argument("--then", type=Path, help="the folder of a later training")
    parser.add_argument(
        "--sure", type=float, default=PostprocessSettings.sure, help="as `liverlib segment` has it"
    )
    options = parser.parse_args()
    networks, segmenter = load_networks(options.weights), Segmenter.load(options.weights)
    segmenter = replace(segmenter, rules=PostprocessSettings(sure=options.sure))
    for n, look in enumerate(("body", "liver")):
        if options.then and (options.then / look).exists():
            networks[n] = network, _ = last_state(options.then / look)
            segmenter = replace(
                segmenter, **{look: Stage([network], getattr(segmenter, look).cube)}
            )
    scores: dict[float, dict[str, list[CaseScore]]] = {amount: {} for amount in AMOUNTS}
    for group, pairs in groups().items():
        for scan, label in tqdm(pairs, group):
            prediction = segmenter.predict(scan)
            *first, second = prediction.looks
            for amount, of in scores.items():
                mask = replace(prediction, looks=[*first, raised(second, amount)]).mask()
                of.setdefault(group, []).append(score(label, mask))
    found = {
        amount: {group: summarise(cases) for group, cases in of.items()}
        for amount, of in scores.items()
    }
    print(table([row(*one) for one in found.items()]))
    best = max(AMOUNTS, key=lambda amount: merit(found[amount]))
    print(f"\nraised by {best:g}")
    if options.output:
        for network, about in networks:
            if about["cube"]["crop"] == "liver":
                raise_tumour(network, best)
                about["raised"] = about.get("raised", 0.0) + best
        save_networks(options.output, networks, half=True)


def groups() -> dict[str, list[Pair]]:
    """The phantoms, by kind."""
    hard = [case.read() for case in hard_phantoms()]
    return {
        "phantoms": [case.read() for case in Run().parts["train"]],
        "hard": hard,
        "shaded": [shaded(*pair) for pair in hard],
        "arms": [between_arms(*pair, seed) for seed, pair in enumerate(hard)],
        "noisy": [noisy(*pair, seed) for seed, pair in enumerate(hard)],
    }


def between_arms(scan: Volume, label: Volume, seed: int) -> Pair:
    """The scan as where arms lie beside the back of the liver: broadly darker there, and streaked
    from side to side."""
    back = np.percentile(label.voxels.nonzero()[1], 15)
    apart = (np.arange(scan.voxels.shape[1]) - back) * scan.grid.spacing[1]  # mm
    band = np.exp(-((apart / 45) ** 2))[:, None]
    lines = np.random.default_rng(seed).normal(0, 1, scan.voxels.shape[1:])  # alike along x
    lines = gaussian_filter(lines, [1.5 / mm for mm in scan.grid.spacing[1:]])
    hu = np.rint(scan.voxels + band * (STREAKS * lines / lines.std() - DARKER))
    return replace(scan, voxels=np.clip(hu, -1024, 3071).astype(scan.voxels.dtype)), label


def noisy(scan: Volume, label: Volume, seed: int) -> Pair:
    """The scan with more noise."""
    noise = np.random.default_rng(seed).normal(0, NOISE, scan.voxels.shape)
    hu = np.clip(np.rint(scan.voxels + noise), -1024, 3071).astype(scan.voxels.dtype)
    return replace(scan, voxels=hu), label


def raised(seen: StageOutput, amount: float) -> StageOutput:
    """What the look says with that much added to the tumour's logit."""
    liver, tumour = seen.answers[:, 0], seen.answers[:, 1]
    more = np.float32(np.exp(amount)) * tumour
    whole = 1 - tumour + more
    return StageOutput(seen.cube, np.stack([(liver - tumour + more) / whole, more / whole], 1))


@torch.no_grad()
def raise_tumour(network: UNet3D, amount: float) -> None:
    """Adds to the tumour's logit, wherever it is made."""
    network.head.bias.view(CLASSES, -1)[2] += amount


def merit(found: dict[str, Summary]) -> tuple[bool, float]:
    """Few false tumours first, then the tumours' Dice, of the kinds of phantoms alike."""
    false = np.nanmax([one.false_tumour_ml for one in found.values()])
    dices = [one.tumour_dice.mean for one in found.values()]
    within = false <= MOST_FALSE
    return within, sum(dices) / len(dices) if within else -false


def row(amount: float, found: dict[str, Summary]) -> dict:
    """A row of the table."""
    shown = {"raised by": f"{amount:g}"}
    for group, one in found.items():
        shown[f"{group}: tumour"] = f"{one.tumour_dice.mean:.3f}"
        shown[f"false ml {group}"] = f"{one.false_tumour_ml:.1f}"
        shown[f"lesions {group}"] = f"{one.detected.found} found, {one.detected.false} false"
    return shown


if __name__ == "__main__":
    main()
