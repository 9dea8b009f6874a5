"""What it gains to start from liverlib's own weights: few scans of a kind that they never saw.

Phantoms of another seed, bent further, their contrast fainter, twice as noisy: 5 or 20 to learn
from, 12 to score. The second look alone, the same steps from random weights and from the shipped,
in networks of the same size.
`python benchmarks/finetune.py [--steps 300] [--seeds 2]`
"""

import argparse
import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from liverlib.core.parallel import in_processes
from liverlib.core.text import table
from liverlib.data.cases import Case, find_cases, labelled
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.pipeline.presets import PRESETS
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.phantom.phantom import PhantomSettings, write_dataset
from liverlib.training.loop import train_step, validate
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import ROI_DEFAULTS
from liverlib.training.trainer import Trainer

HELD_OUT = 12
KIND = PhantomSettings(cases=20 + HELD_OUT, unlabelled=0, seed=500, size=192, bend=9.0)
CUBE = CubeSettings(crop="liver", window=ROI_WINDOW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=ROI_DEFAULTS.learning_rate)
    parser.add_argument("--start", nargs="+", default=["random", "shipped"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cubes = make_cubes(Path(folder))
        ends = (options.steps // 3, options.steps)
        asked = [(0, "shipped", 0), *itertools.product((5, 20), options.start, ends)]
        calls = [
            (*one, seed, options.rate, cubes) for one in asked for seed in range(options.seeds)
        ]
        rows = list(in_processes(score, calls, title="trainings"))
    print(f"Dice on {HELD_OUT} cubes, {options.seeds} seeds each\n")
    print(table([summary(rows, one) for one in asked]))


def make_cubes(folder: Path) -> list[Path]:
    """The second look's cubes of the shifted phantoms."""
    cases = labelled(find_cases(write_dataset(folder / "Task03_Liver", KIND)))
    calls = [(case, n, folder / f"{case.name}.safetensors") for n, case in enumerate(cases)]
    return list(in_processes(make_cube, calls, title="cubes"))


def make_cube(case: Case, n: int, path: Path) -> Path:
    """The cube of a phantom, made fainter and noisier."""
    scan, label = case.read()
    noise = np.random.default_rng(n).normal(0, 25, scan.voxels.shape)
    hu = np.clip(0.85 * scan.voxels + noise, -1024, 3071).astype(np.int16)
    to_cube(replace(scan, voxels=hu), label, CUBE).save(path)
    return path


def score(cases: int, start: str, steps: int, seed: int, rate: float, cubes: list[Path]) -> dict:
    """One training on so many cubes: its Dices on those held out."""
    torch.set_num_threads(1)
    channels = PRESETS["shipped"].liver.channels
    settings = replace(ROI_DEFAULTS, seed=seed, learning_rate=rate, channels=channels)
    learned = np.random.default_rng(seed).permutation(len(cubes) - HELD_OUT)[: cases or 1]
    windows = PatchSampler(
        [cubes[n] for n in sorted(learned)], settings.window, settings.tumour, settings.liver, seed
    )
    network = load_networks(PRETRAINED)[1][0] if start == "shipped" else None
    training = Trainer(settings, windows.edge, network)
    for step in range(steps):
        train_step(training, windows.batch(training.share(step)), step, steps)
    found = validate(training.average, cubes[-HELD_OUT:], settings)
    dices = {k: found[f"validation_{k}_dice"] for k in ("liver", "tumour")}
    return {"key": (cases, start, steps), **dices}


def summary(rows: list[dict], key: tuple[int, str, int]) -> dict:
    """A row of the table, over the seeds."""
    mine = [row for row in rows if row["key"] == key]
    cases, start, steps = key
    means = {k: f"{np.mean([row[k] for row in mine]):.3f}" for k in ("liver", "tumour")}
    spread = [row["tumour"] for row in mine]
    return {
        "start": start,
        "cases": str(cases),
        "steps": str(steps),
        **means,
        "tumour, seeds": f"{min(spread):.3f}–{max(spread):.3f}",
    }


if __name__ == "__main__":
    main()
