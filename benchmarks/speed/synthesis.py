"""Milliseconds to synthesise a scan from a label map, and whether a training step waits for it.

In training the next batches are synthesised while the network learns: in another thread, on a GPU
in several processes. On the best device. With `--picture FILE` it only shows some cubes of the ROI
stage, and times nothing.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import timed
from report import Report

from liverlib.core.parallel import prefetch
from liverlib.pipeline.presets import STAGES, default_settings
from liverlib.pipeline.run import Run
from liverlib.training.loop import THREADS, train_step
from liverlib.training.sampler import BatchSource
from liverlib.training.settings import TrainSettings
from liverlib.training.trainer import Trainer
from liverlib.training.workers import BatchWorkers
from liverlib.view.slices import largest_slice, render_slice

LABEL_MAPS = 8
COLUMNS = ("stage", "patch", "processes", "ms to synthesise one", "ms a step, batches ready",
           "ms a step, synthesised meanwhile")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=40, help="to synthesise one by one")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="*", default=[], help="processes to compare")
    parser.add_argument("--picture", type=Path, help="show some cubes, and time nothing")
    options = parser.parse_args()
    preset = default_settings("pretrain")
    run = Run(replace(preset, synthesis=replace(preset.synthesis, count=LABEL_MAPS)))
    if options.picture:
        return show(options.picture, run.batches("roi"))
    with Report(__file__) as report:
        report.columns(*COLUMNS)
        for stage in STAGES:
            settings = getattr(run.settings, stage)
            for name, source in sources(run.batches(stage), options.workers):
                values = measure(source, settings, options.scans, options.steps)
                report.row(stage, f"{source.edge}³", name, *(f"{ms:.0f}" for ms in values))


def sources(source: BatchSource, workers: Sequence[int]) -> Iterator[tuple[str, BatchSource]]:
    """As training takes it; then in this process, and in each number of others."""
    usual = source.workers if isinstance(source, BatchWorkers) else 0
    yield f"{usual or 'this one'}", source
    alone = source.source if isinstance(source, BatchWorkers) else source
    for count in workers:
        yield f"{count or 'this one'}", BatchWorkers(alone, count) if count else alone


def show(path: Path, source: BatchSource) -> None:
    """Writes the first cubes, each at the axial slice with most tumour, or liver."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 8, figsize=(8, 3), dpi=125)
    figure.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
    for draw, ax in enumerate(axes.flat):
        image, soft_labels = (tensor[0].numpy() for tensor in source.batch([draw]))
        label = (soft_labels > 127).sum(0, dtype=np.uint8)
        axial, grey = largest_slice(label), image[0].astype(np.float32)
        ax.imshow(
            render_slice(grey, "axial", axial, label=label, window=(255, 127.5), contour=True)
        )
        ax.axis("off")
    figure.savefig(path)


def measure(
    source: BatchSource, settings: TrainSettings, scans: int, steps: int
) -> tuple[float, float, float]:
    """Milliseconds of a scan, of a step on batches made before, and on those made meanwhile."""
    trainer = Trainer(settings, source.edge)
    source.batch(range(LABEL_MAPS))  # reads the label maps
    ready = [source.batch(trainer.draws(n)) for n in range(4)]
    for n in range(3):  # warm
        train_step(trainer, ready[n], n, steps)
    coming = prefetch(lambda n: source.batch(trainer.draws(n)), range(steps), THREADS)

    def synthesise() -> None:
        for n in range(0, scans, settings.batch):
            source.batch(range(n, n + settings.batch))
        wait()

    def train(batches: object) -> None:
        for n, batch in zip(range(steps), batches, strict=False):
            train_step(trainer, batch, n, steps)
        wait()

    seconds = timed(synthesise), timed(lambda: train(ready[n % 4] for n in range(steps)))
    alongside = timed(lambda: train(coming))
    return 1e3 * seconds[0] / scans, 1e3 * seconds[1] / steps, 1e3 * alongside / steps


def wait() -> None:
    """Waits for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
