"""The training loop: a page.

What is special: nothing random is kept between steps. What step n sees and how it is changed
follows from the seed and n, so a run that was killed and started again ends, on the same machine,
with the same weights as one that was not, and several processes see what one would.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from liverlib.core.device import mixed_precision, peak_gb
from liverlib.core.errors import LiverlibError
from liverlib.core.parallel import prefetch
from liverlib.core.settings import require
from liverlib.core.text import number
from liverlib.models.losses import LOSSES, class_targets
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks

from .augment import augment, implant
from .history import History, advice, quality, write_history
from .sampler import BatchSource, to_float, whole_cube
from .settings import TrainSettings
from .trainer import Trainer

THREADS = 4 if torch.cuda.is_available() else 1  # that make batches: they wait for a GPU in turn


def train(
    source: BatchSource,
    validation_cubes: Sequence[Path],
    folder: str | Path,
    settings: TrainSettings = TrainSettings(),
    about: dict | None = None,
    on_epoch: Callable[[History], object] = lambda history: None,
    init: UNet3D | None = None,
) -> History:
    """Trains on the batches of a source, from a network (`init`) or random weights on; or goes on
    where an earlier call in the same folder was stopped.

    After every epoch writes ``last.safetensors`` (to go on from), ``history.csv``, and, when it
    is the best so far by `quality`, ``weights.safetensors``, and prints a line. Raises
    `LiverlibError` without `validation_cubes`, where the patches do not suit the network's levels,
    the loss is no longer a number, or memory does not hold one patch.

    Args:
        source: what to learn from, such as a `PatchSampler` or `SyntheticScans`.
        validation_cubes: files of whole cubes that choose the best epoch.
        folder: for what is written; the run's checkpoint lies there.
        settings: the network and its training.
        about: what is kept with the weights; `Segmenter.load` needs "cube", that of the cubes.
        on_epoch: is called with the rows so far after every epoch.
        init: the network to start from; at random without one.

    >>> history = train(PatchSampler(cubes, settings), cubes, "results/mine", settings)
    """
    folder = Path(folder)
    trainer = _started(source, validation_cubes, folder, settings, init)
    first, last = len(trainer.history), settings.epochs
    if first >= last:
        return _finished(folder, trainer)
    main = trainer.accelerator.is_main_process
    write = _write_line if main else lambda text: None
    if not source.lesions:
        write("No tumours in the cases to train on: the liver alone is learned.")
    steps = settings.steps or math.ceil(len(source) / settings.batch)
    numbers, started = range(first * steps, last * steps), time.monotonic()
    batches = prefetch(lambda step: source.batch(trainer.draws(step)), numbers, THREADS)
    with tqdm(
        total=steps * last, initial=steps * first, desc=f"training {folder.name}", unit="step",
        disable=None if main else True,
    ) as bar:  # fmt: skip
        for epoch in range(first, last):
            row, skipped = _epoch(trainer, batches, epoch, steps, bar)
            row |= validate(trainer.ema, validation_cubes, settings)
            loss, memory = f"{row['train_loss']:.3f}", f"{peak_gb(trainer.device):.1f}"
            bar.set_postfix(loss=loss, GB=memory, refresh=False)
            better = quality(row) > trainer.best
            trainer.history.append(row)
            left = (time.monotonic() - started) * (last - epoch - 1) / (epoch + 1 - first)
            write(f"{folder.name}  {epoch_line(row, last, left, skipped)}")
            if text := advice(trainer.history, last, folder.name):
                write(text)
            if main:
                _save(trainer, folder, about or {}, better)
                on_epoch(trainer.history)
            trainer.accelerator.wait_for_everyone()
    return trainer.history


def _started(
    source: BatchSource,
    validation_cubes: Sequence[Path],
    folder: Path,
    settings: TrainSettings,
    init: UNet3D | None,
) -> Trainer:
    """A new trainer, or the one that an earlier call left in the folder."""
    needed = "one file or more: the best epoch is chosen by them"
    require(len(validation_cubes) > 0, "validation_cubes", "", needed)
    if not source.lesions:
        settings = replace(settings, implants=0.0)  # nor is it to learn from synthetic ones
    trainer = Trainer(settings, source.edge, init, len(source))
    train = trainer.settings
    allowed = f"a multiple of {train.divisor}, at least {train.least_edge}, for this network"
    require(train.fits(source.edge), "patch_size", source.edge, allowed)
    if (folder / "last.safetensors").exists():
        trainer.load(folder / "last.safetensors")
    return trainer


def _finished(folder: Path, trainer: Trainer) -> History:
    """A finished training's history, written where it is gone; `LiverlibError` without weights."""
    if not (folder / "weights.safetensors").is_file():
        raise LiverlibError(
            f"{folder}: trained to the end, but weights.safetensors is gone. Copy it back, or "
            "delete the folder to train again."
        )
    if trainer.accelerator.is_main_process and not (folder / "history.csv").is_file():
        write_history(folder / "history.csv", trainer.history)
    return trainer.history


def _write_line(text: str) -> None:
    """Prints beside the bar, and at once: a file's reader is not to wait for a full buffer."""
    tqdm.write(text)
    sys.stdout.flush()


def epoch_line(row: dict[str, float], epochs: int, seconds_left: float, skipped: int = 0) -> str:
    """One line about an epoch, for terminals, notebooks and files; the bar is off in files.

    `skipped` is the number of steps whose loss was no number.
    """
    liver, tumour = (
        number(row[f"validation_{part}_dice"], 3, "unknown") for part in ("liver", "tumour")
    )
    units = ((3600, "h", 1), (60, "min", 0), (1, "s", 0))
    size, unit, digits = next(u for u in units if seconds_left >= 1.5 * u[0] or u[0] == 1)
    left = f"{seconds_left / size:.{digits}f} {unit} left" if row["epoch"] < epochs else "done"
    left += f"; {skipped} steps skipped, their loss was no number" if skipped else ""
    return (
        f"epoch {row['epoch']}/{epochs}  loss {row['train_loss']:.3f}  "
        f"validation Dice: liver {liver}, tumour {tumour}  {left}"
    )


def _epoch(
    trainer: Trainer, batches: Iterator, epoch: int, steps: int, bar: tqdm
) -> tuple[dict[str, float], int]:
    """The steps of one epoch: its row of the history so far, and how many steps were skipped."""
    started, losses, last = time.monotonic(), [], trainer.settings.epochs * steps
    for step in range(epoch * steps, (epoch + 1) * steps):
        losses.append(train_step(trainer, next(batches), step, last))
        bar.update()
    learned = [loss for loss in losses if math.isfinite(loss)]
    row = {
        "epoch": epoch + 1,
        "step": (epoch + 1) * steps,
        "seconds": time.monotonic() - started,
        "learning_rate": trainer.optimizer.param_groups[0]["lr"],
        "train_loss": sum(learned) / max(1, len(learned)),
    }
    return row, len(losses) - len(learned)


def _save(trainer: Trainer, folder: Path, about: dict, better: bool) -> None:
    """What an epoch leaves; the weights only where it is the best so far."""
    if better:
        save_networks(folder / "weights.safetensors", [(trainer.ema, about)])
    write_history(folder / "history.csv", trainer.history)
    trainer.save(folder / "last.safetensors")


def train_step(trainer: Trainer, batch: tuple[Tensor, Tensor], step: int, steps: int) -> float:
    """One of `steps` steps, on a batch as cubes hold it; returns its loss, NaN where skipped."""
    settings = trainer.settings
    image, soft_labels = to_float(*batch, trainer.device)
    samples = [
        augmented_sample(image[n : n + 1], soft_labels[n : n + 1], settings, draw)
        for n, draw in enumerate(trainer.draws(step))
    ]
    image, soft_labels = (torch.cat(part) for part in zip(*samples, strict=True))
    return trainer.update(image, soft_labels, learning_rate(step, steps, settings), step)


def augmented_sample(
    image: Tensor, soft_labels: Tensor, settings: TrainSettings, draw: int
) -> tuple[Tensor, Tensor]:
    """What a draw, (1, 1, …) and (1, 2, …), becomes before the network sees it."""
    random = torch.Generator().manual_seed(settings.seed * 1_000_003 + draw)
    if torch.rand(1, generator=random).item() < settings.implants:
        image, soft_labels = implant(image, soft_labels, random)
    return augment(image, soft_labels, random) if settings.augmented else (image, soft_labels)


@torch.inference_mode()
def validate(network: UNet3D, cubes: Sequence[Path], settings: TrainSettings) -> dict[str, float]:
    """Loss and Dice on whole cubes: they steer the training; scores are made on the scans' grids.

    The tumour's Dice is a mean over the cubes that hold tumour; NaN where none does.
    """
    losses, dices = [], []
    device = next(network.parameters()).device
    for path in cubes:
        image, soft_labels = to_float(*whole_cube(path), device)
        with mixed_precision(device, image.shape[-1] // network.divisor):
            logits = network(image)
        logits = logits.float()
        losses.append(LOSSES[settings.loss](logits, class_targets(soft_labels)).item())
        p = logits.softmax(1)
        predicted = torch.stack([p[:, 1] + p[:, 2], p[:, 2]], dim=1) >= 0.5
        label = soft_labels >= 0.5
        both, each = (
            x.sum((0, 2, 3, 4)) for x in (predicted & label, predicted.int() + label.int())
        )
        exists = label.sum((0, 2, 3, 4)) > 0
        dices.append(torch.where(exists, 2 * both / each, torch.nan))
    liver, tumour = torch.stack(dices).nanmean(0).tolist()
    return {
        "validation_loss": sum(losses) / len(losses),
        "validation_liver_dice": liver,
        "validation_tumour_dice": tumour,
    }


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The learning rate of a step: rising for `warmup` steps, then falling as a half cosine."""
    if not settings.warmup:
        return settings.learning_rate
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, steps - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
