"""Quick trainings on small cubes; a new process must be able to import them."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import torch
from phantoms import simple_case

from liverlib.core.settings import to_dict
from liverlib.preprocessing.cube import CubeSettings, to_cube
from liverlib.training import loop
from liverlib.training.history import History
from liverlib.training.loop import train_step
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import TrainSettings

CUBE = CubeSettings(size=32)
QUICK = TrainSettings(
    channels=(8, 16, 32), epochs=3, steps=12, patch_size=24, batch=2, warmup=5, learning_rate=1e-2
)


def write_cubes(folder: Path, count: int = 5) -> list[Path]:
    """Cubes of so many simple cases."""
    paths = [folder / f"{seed}.safetensors" for seed in range(count)]
    for seed, path in enumerate(paths):
        to_cube(*simple_case(seed), CUBE).save(path)
    return paths


def learn(cubes: Sequence[Path], folder: Path, settings: TrainSettings = QUICK, **more) -> History:
    """A training on all cubes but the fifth, which validates it."""
    torch.set_num_threads(1)
    source, about = PatchSampler(cubes[:4], settings), {"cube": to_dict(CUBE)}
    return loop.train(source, cubes[4:], folder, settings, about, **more)


def learn_and_die_at(step: int, *arguments) -> None:
    """Trains like `learn`, in a process that is killed before `step`."""

    def step_or_die(trainer, batch, now, steps):
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_step(trainer, batch, now, steps)

    loop.train_step = step_or_die
    learn(*arguments)
