"""How readily the second look calls a tumour: chosen on phantoms, and written into its weights.

`python benchmarks/calibrate.py WEIGHTS [--then FOLDER] -o OUT`. With `--then` the second look is
the last state of another training, in its folder. Tumours are not as frequent in training as in a
scan, so the tumour's logit is raised by several amounts. Of those that draw at most 5 ml
of tumour, on average, in livers without any, the one of the highest tumour Dice is kept. The
phantoms are of the kind that `make run` makes, none of them among those it scores, and hard ones,
in which other organs have the liver's HU, as they are and with a dark band through the liver.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from ablation import hard_phantoms, last_state, score, shaded
from tqdm.auto import tqdm

from liverlib.metrics import CaseScore, Summary, summarise
from liverlib.segment import Look, Segmenter
from liverlib.tables import table
from liverlib.unet import CLASSES, UNet3D, load_networks, save_networks
from liverlib.workspace import Run

AMOUNTS = (0.0, 0.5, 1.0, 1.5, 2.0)
CASES = 24  # of the first kind
MOST_FALSE = 5.0  # ml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="where to write them, in 16 bits")
    parser.add_argument("--then", type=Path, help="the second look's later training")
    options = parser.parse_args()
    networks, segmenter = load_networks(options.weights), Segmenter.load(options.weights)
    if options.then:
        networks[1] = last_state(options.then)
        segmenter = replace(segmenter, liver=Look([networks[1][0]], segmenter.liver.cube))
    hard = [case.read() for case in hard_phantoms()]
    groups = {
        "phantoms": [case.read() for case in Run().parts["train"][:CASES]],
        "hard": hard,
        "shaded": [shaded(*pair) for pair in hard],
    }
    scores: dict[float, dict[str, list[CaseScore]]] = {
        amount: {group: [] for group in groups} for amount in AMOUNTS
    }
    for group, pairs in groups.items():
        for pair in tqdm(pairs, group):
            last = 0.0
            for amount in AMOUNTS:
                raise_tumour(segmenter.liver.networks[0], amount - last)
                scores[amount][group].append(score(*pair, segmenter))
                last = amount
            raise_tumour(segmenter.liver.networks[0], -last)
    found = {
        amount: {group: summarise(of) for group, of in by_group.items()}
        for amount, by_group in scores.items()
    }
    print(table([row(amount, found[amount]) for amount in AMOUNTS]))
    best = max(AMOUNTS, key=lambda amount: merit(found[amount]))
    print(f"\nraised by {best}")
    if options.output:
        for network, about in networks:
            if about["cube"]["crop"] == "liver":
                raise_tumour(network, best)
                about["raised"] = best
        save_networks(options.output, networks, half=True)


@torch.no_grad()
def raise_tumour(network: UNet3D, amount: float) -> None:
    """Adds to the tumour's logit, wherever it is made."""
    network.head.bias.view(CLASSES, -1)[2] += amount


def merit(found: dict[str, Summary]) -> tuple[bool, float]:
    """Few false tumours first, then the tumours' Dice, of the kinds of phantoms alike."""
    false = max(one.false_tumour_ml for one in found.values())
    dices = [one.tumour_dice.mean for one in found.values()]
    within = false <= MOST_FALSE
    return within, sum(dices) / len(dices) if within else -false


def row(amount: float, found: dict[str, Summary]) -> dict:
    shown = {"raised by": f"{amount:g}"}
    for group, one in found.items():
        shown[f"{group}: tumour"] = f"{one.tumour_dice.mean:.3f}"
        shown[f"false ml {group}"] = f"{one.false_tumour_ml:.1f}"
        shown[f"lesions {group}"] = f"{one.detected.found} found, {one.detected.false} false"
    return shown


if __name__ == "__main__":
    main()
