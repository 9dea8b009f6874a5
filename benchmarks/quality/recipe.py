"""Dice that each ingredient of the training gains, and that more cases gain, on phantoms.

Small on purpose, so that everything can be tried three times: ROI cubes of 64³, patches of 32³ in
fours, a network of three levels. Each variant differs from the default in one thing, learns for as
many steps, and is scored on whole cubes of 24 phantoms that none of them saw. Writes every training
to benchmarks/results/recipe.csv, which notebook 04 draws, and goes on from what it holds.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import RESULTS, Report

from liverlib.core.files import atomic
from liverlib.core.parallel import in_processes
from liverlib.models import unet
from liverlib.models.losses import class_targets, dice_cross_entropy
from liverlib.pipeline.paths import data_folder, phantoms
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings
from liverlib.synthesis.phantom.phantom import PhantomSettings
from liverlib.training.loop import train_step, validate
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import ROI_DEFAULTS, TrainSettings
from liverlib.training.trainer import Trainer

HELD_OUT = 24
FEWER = (5, 10, 20)  # cases
SMALL = replace(ROI_DEFAULTS, channels=(16, 32, 64), patch_size=32, batch=4)
ANYWHERE = {"tumour_fraction": 0.0, "liver_fraction": 0.0}
VARIANTS: dict[str, dict] = {
    "default": {},
    "no space-to-depth, a quarter of the channels": {"block_size": 1, "channels": (4, 8, 16, 32)},
    "no instance norm": {"norm": False},
    "cross-entropy alone": {"loss": "ce"},
    "constant learning rate": {"warmup": 0},
    "no clipping": {"clip": 0.0},
    "no moving average": {"ema_decay": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "no augmentation": {"augmented": False},
    "no implanted tumours": {"implants": 0.0},
    "implanted tumours at every step": {"implants": 1.0},
    "patches anywhere": ANYWHERE,
    "patches around tumours: 0.67": {"tumour_fraction": 0.67, "liver_fraction": 0.2},
    "whole cubes, an eighth of the steps": {"patch_size": 0, **ANYWHERE},
    "residual blocks": {},
    "deep supervision": {},
}


class Residual(unet.Block):
    """A block that is added to what it is given."""

    def __init__(self, before: int, width: int, norm: bool) -> None:
        super().__init__(before, width, norm)
        self.shortcut = nn.Conv3d(before, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in list(self)[:-1]:
            y = layer(y)
        return y + self.shortcut(x)


class Supervised(Trainer):
    """Asks the decoders below the last for logits too, at half the weight each level down."""

    def __init__(self, settings: TrainSettings, edge: int) -> None:
        super().__init__(settings, edge)
        self.deeper: list[Tensor] = []
        widths = settings.channels[1:-1]
        self.heads = nn.ModuleList(nn.Conv3d(w, 3 * settings.block_size**3, 1) for w in widths)
        self.optimizer.add_param_group({"params": list(self.heads.parameters())})
        for decoder in self.network.decoders[1:]:
            decoder.register_forward_hook(lambda module, given, made: self.deeper.append(made))

    def _pieces(self, image: Tensor, soft_labels: Tensor) -> float:
        self.deeper.clear()
        logits = self.model(image).float()
        loss = dice_cross_entropy(logits, class_targets(soft_labels))
        for level, (head, made) in enumerate(
            zip(self.heads, reversed(self.deeper), strict=True), start=1
        ):
            deeper = unet.depth_to_space(head(made.float()), self.settings.block_size)
            labels = nn.functional.avg_pool3d(soft_labels, 2**level)
            loss = loss + 0.5**level * dice_cross_entropy(deeper, class_targets(labels))
        self.accelerator.backward(loss)
        return loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=RESULTS / "recipe.csv")
    options = parser.parse_args()
    cubes = prepare(
        [case for case in phantoms(PhantomSettings()) if case.label],
        CubeSettings(size=64, crop="liver", window=ROI_WINDOW),
        data_folder() / "cubes",
    )
    most, seeds = len(cubes) - HELD_OUT, range(options.seeds)
    wanted = [(name, seed, most) for name in options.only for seed in seeds]
    wanted += [("default", seed, n) for n in FEWER for seed in seeds]
    rows = read(options.output)
    done = {(row["variant"], row["seed"], row["cases"]) for row in rows}
    calls = [(*item, options.steps, cubes) for item in wanted if item not in done]
    with Report(__file__) as report:
        for row in in_processes(score, calls, title="trainings"):
            rows.append(row)
            write(options.output, rows)
        text = f"tumour and liver Dice on {HELD_OUT} cubes, mean and range of {options.seeds} seeds"
        report.text(text)
        report.table([mean_row(rows, name, most) for name in options.only])
        report.table([mean_row(rows, "default", n) for n in (*FEWER, most)])


def score(name: str, seed: int, cases: int, steps: int, cubes: list[Path]) -> dict:
    """One training of a variant on so many cases: its Dices on the cubes held out."""
    torch.set_num_threads(1)
    settings = replace(SMALL, seed=seed, **VARIANTS[name])
    steps = steps // 8 if settings.patch_size == 0 else steps
    learned = np.random.default_rng(seed).permutation(len(cubes) - HELD_OUT)[:cases]
    paths = [cubes[n] for n in sorted(learned)]
    with ExitStack() as stack:
        kind: Callable = Supervised if name == "deep supervision" else Trainer
        if name == "residual blocks":
            stack.enter_context(patch.object(unet, "Block", Residual))
        sampler = PatchSampler(paths, settings)
        trainer = kind(settings, sampler.edge)
        for step in range(steps):
            train_step(trainer, sampler.batch(trainer.draws(step)), step, steps)
        row = validate(trainer.ema, cubes[-HELD_OUT:], settings)
    return {
        "variant": name,
        "cases": cases,
        "seed": seed,
        "steps": steps,
        "liver": round(row["validation_liver_dice"], 4),
        "tumour": round(row["validation_tumour_dice"], 4),
    }


def read(path: Path) -> list[dict]:
    """The trainings in a file; none where the file is missing."""
    if not path.is_file():
        return []
    kinds = {"cases": int, "seed": int, "steps": int, "liver": float, "tumour": float}
    with open(path, newline="") as file:
        return [
            {key: kinds.get(key, str)(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


def write(path: Path, rows: list[dict]) -> None:
    """Trainings as CSV, atomically."""
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def mean_row(rows: list[dict], name: str, cases: int) -> dict:
    """The row of a table: a variant's means over its seeds, and how far they lie apart."""
    chosen = [row for row in rows if (row["variant"], row["cases"]) == (name, cases)]
    tumour, liver = ([row[key] for row in chosen] for key in ("tumour", "liver"))
    most = max(row["cases"] for row in rows)
    default = [r["tumour"] for r in rows if (r["variant"], r["cases"]) == ("default", most)]
    return {
        "variant": name,
        "cases": cases,
        "tumour": f"{np.mean(tumour):.3f}",
        "seeds": f"{min(tumour):.3f}–{max(tumour):.3f}",
        "liver": f"{np.mean(liver):.3f}",
        "against default": f"{np.mean(tumour) - np.mean(default):+.3f}" if default else "",
    }


if __name__ == "__main__":
    main()
