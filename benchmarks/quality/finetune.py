"""Fine-tuning on few scans of another kind: from the pretrained weights, and from random ones.

Phantoms of another seed, bent further, with less contrast and twice the noise: 5 or 20 to learn
from, 12 to score. The ROI stage alone, in networks of the same size.
"""

import argparse
import itertools
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report

from liverlib.core.parallel import in_processes
from liverlib.data.cases import Case, find_cases, labelled
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.pipeline.presets import PRESETS
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import PhantomSettings
from liverlib.training.loop import train_step, validate
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import ROI_DEFAULTS
from liverlib.training.trainer import Trainer

HELD_OUT = 12
PHANTOMS = PhantomSettings(cases=20 + HELD_OUT, unlabelled=0, seed=500, size=192, bend=9.0)
CUBE = CubeSettings(crop="liver", window=ROI_WINDOW)
Training = tuple[str, int, int]  # first weights, cases, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=ROI_DEFAULTS.learning_rate)
    kinds = ["random", "pretrained"]
    parser.add_argument("--init", nargs="+", choices=kinds, default=kinds)
    options = parser.parse_args()
    counts = (5, 20), (options.steps // 3, options.steps)
    trainings = [("pretrained", 0, 0)]
    trainings += [(init, n, steps) for n, init, steps in itertools.product(
        counts[0], options.init, counts[1])]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Report(__file__) as report:
        cubes, rate = write_cubes(Path(folder)), options.learning_rate
        calls = [(*item, n, rate, cubes) for item in trainings for n in range(options.seeds)]
        rows = list(in_processes(score, calls, title="trainings"))
        report.text(f"Dice on {HELD_OUT} cubes, means of {options.seeds} seeds")
        report.table([mean_row(rows, item) for item in trainings])


def write_cubes(folder: Path) -> list[Path]:
    """The ROI stage's cubes of the shifted phantoms."""
    cases = labelled(find_cases(write_phantoms(folder / "Task03_Liver", PHANTOMS)))
    calls = [(case, n, folder / f"{case.name}.safetensors") for n, case in enumerate(cases)]
    return list(in_processes(write_cube, calls, title="cubes"))


def write_cube(case: Case, n: int, path: Path) -> Path:
    """Writes the cube of a phantom, made fainter and noisier."""
    scan, label = case.read()
    noise = np.random.default_rng(n).normal(0, 25, scan.voxels.shape)
    hu = np.clip(0.85 * scan.voxels + noise, -1024, 3071).astype(np.int16)
    to_cube(replace(scan, voxels=hu), label, CUBE).save(path)
    return path


def score(init: str, cases: int, steps: int, seed: int, rate: float, cubes: list[Path]) -> dict:
    """One training on so many cubes: its Dices on those held out."""
    torch.set_num_threads(1)
    channels = PRESETS["pretrain"].roi.channels
    settings = replace(ROI_DEFAULTS, seed=seed, learning_rate=rate, channels=channels)
    learned = np.random.default_rng(seed).permutation(len(cubes) - HELD_OUT)[: cases or 1]
    sampler = PatchSampler([cubes[n] for n in sorted(learned)], settings)
    network = load_networks(PRETRAINED)[1][0] if init == "pretrained" else None
    trainer = Trainer(settings, sampler.edge, network)
    for step in range(steps):
        train_step(trainer, sampler.batch(trainer.draws(step)), step, steps)
    row = validate(trainer.ema, cubes[-HELD_OUT:], settings)
    dices = {key: row[f"validation_{key}_dice"] for key in ("liver", "tumour")}
    return {"training": (init, cases, steps), **dices}


def mean_row(rows: list[dict], training: Training) -> dict:
    """A row of the table, over the seeds."""
    chosen = [row for row in rows if row["training"] == training]
    means = {key: f"{np.mean([row[key] for row in chosen]):.3f}" for key in ("liver", "tumour")}
    spread = [row["tumour"] for row in chosen]
    return {
        **dict(zip(("init", "cases", "steps"), training, strict=True)),
        **means,
        "tumour, seeds": f"{min(spread):.3f}–{max(spread):.3f}",
    }


if __name__ == "__main__":
    main()
