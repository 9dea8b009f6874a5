"""How fast scans are drawn from anatomies, and whether a training step waits for them.

`python benchmarks/rendered.py [--draws 40] [--steps 40] [--anatomies FOLDER]`, on the best device.
In training the next batch is drawn in another thread while the network learns from one. With
`--picture FILE` it only shows some cubes of the second look, as docs/drawn.png does.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from liverlib.core.device import best_device
from liverlib.core.parallel import prefetch
from liverlib.pipeline.presets import PRESETS
from liverlib.pipeline.run import Run
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import write_label_maps
from liverlib.training.loop import THREADS, train_step
from liverlib.training.trainer import Trainer
from liverlib.view.slices import largest_slice, render_slice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--anatomies", type=Path, help="a folder to keep them in")
    parser.add_argument("--picture", type=Path, help="show what is drawn, and time nothing")
    options = parser.parse_args()
    device, run = best_device(), Run(PRESETS["shipped"])
    machine = f"{platform.machine()}, {os.cpu_count()} processors"
    print(f"{machine}, torch {torch.__version__}, {device}\n")
    with tempfile.TemporaryDirectory() as folder:
        anatomy = replace(run.settings.anatomy, count=8)
        began = time.perf_counter()
        paths = write_label_maps(options.anatomies or folder, anatomy)
        print(f"8 anatomies drawn or found: {time.perf_counter() - began:.1f} s\n")
        if options.picture:
            shown = SyntheticScans(paths, anatomy.spacing, run.cube("liver"), run.settings.liver)
            return show(options.picture, shown)
        print("| look | window | ms to draw one | ms a step, drawn before | … drawn beside |")
        print("| --- | --- | --- | --- | --- |")
        for look in ("body", "liver"):
            settings = getattr(run.settings, look)
            source = SyntheticScans(paths, anatomy.spacing, run.cube(look), settings, device)
            found = measured(source, options.draws, options.steps)
            print(f"| {look} | {source.edge}³ | " + " | ".join(f"{ms:.0f}" for ms in found) + " |")


def show(path: Path, source: SyntheticScans) -> None:
    """The first draws, each at the axial slice with most tumour, or liver."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 8, figsize=(8, 3), dpi=125)
    figure.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
    for draw, ax in enumerate(axes.flat):
        image, soft_labels = (one[0].numpy() for one in source.batch([draw]))
        label = (soft_labels > 127).sum(0, dtype=np.uint8)
        axial = largest_slice(label)
        grey = image[0].astype(np.float32)
        ax.imshow(
            render_slice(grey, "axial", axial, label=label, window=(255, 127.5), contour=True)
        )
        ax.axis("off")
    figure.savefig(path)


def measured(source: SyntheticScans, draws: int, steps: int) -> list[float]:
    """Milliseconds of a draw, of a step on windows that are there, and on windows drawn beside."""
    training = Trainer(source.settings, source.edge)
    source.batch(range(8))  # reads the anatomies
    ready = [source.batch(training.share(n)) for n in range(4)]
    for n in range(3):  # warm
        train_step(training, ready[n], n, steps)
    coming = prefetch(lambda n: source.batch(training.share(n)), range(steps), THREADS)
    return [
        timed(lambda n: source.batch([n]), draws),
        timed(lambda n: train_step(training, ready[n % 4], n, steps), steps),
        timed(lambda n: train_step(training, next(coming), n, steps), steps),
    ]


def timed(work: Callable[[int], object], count: int) -> float:
    """Milliseconds a call."""
    began = time.perf_counter()
    for n in range(count):
        work(n)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count * 1000


if __name__ == "__main__":
    main()
