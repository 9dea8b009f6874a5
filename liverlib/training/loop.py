"""The training loop: a page.

What is special: nothing random is kept between steps. What step n sees and how it is changed
follows from the seed and n, so a run that was killed and started again ends, on the same machine,
with the same weights as one that was not, and several processes see what one would.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from liverlib.core.device import mixed_precision, peak_gb
from liverlib.core.parallel import prefetch
from liverlib.models.losses import LOSSES, class_targets
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.synthesis.generator import SyntheticScans

from .augment import augment, implant
from .history import History, advice, quality, write_history
from .sampler import PatchSampler, floats, whole
from .settings import TrainSettings
from .trainer import Trainer

THREADS = 4 if torch.cuda.is_available() else 1  # that make batches: they wait for a GPU in turn


def train(
    train_cubes: Sequence[Path] | SyntheticScans,
    validation_cubes: Sequence[Path],
    folder: str | Path,
    settings: TrainSettings = TrainSettings(),
    about: dict | None = None,
    on_epoch: Callable[[History], None] = lambda history: None,
    start: UNet3D | None = None,
) -> History:
    """Trains on cached cubes, or scans `SyntheticScans` as it goes, from a network (`start`) or random
    weights on; or goes on where an earlier call in the same folder was stopped.

    After every epoch writes ``last.safetensors`` (to go on from), ``history.csv``, and, when it
    is the best so far by `quality`, ``weights.safetensors`` (with `about` inside); then calls
    `on_epoch` with the rows so far. Raises `LiverlibError` where the loss is no longer a number,
    or memory does not hold one window.
    """
    folder, last = Path(folder), settings.epochs
    windows = (
        train_cubes
        if isinstance(train_cubes, SyntheticScans)
        else PatchSampler(
            train_cubes, settings.window, settings.tumour, settings.liver, settings.seed
        )
    )
    if not windows.lesions:
        settings = replace(settings, implants=0.0)  # nor is it to learn from made-up ones
    training = Trainer(settings, windows.edge, start)
    if (folder / "last.safetensors").exists():
        training.load(folder / "last.safetensors")
    if (first := len(training.history)) >= last:
        return training.history
    main = training.accelerator.is_main_process
    say = tqdm.write if main else lambda text: None
    if not windows.lesions:
        say("No tumours in the cases to train on: the liver alone is learned.")
    steps = settings.steps or math.ceil(len(windows.paths) / settings.batch)
    batches = prefetch(
        lambda step: windows.batch(training.share(step)),
        range(first * steps, last * steps),
        THREADS,
    )
    text, hidden = f"training {folder.name}", None if main else True
    bar = tqdm(total=steps * last, initial=steps * first, desc=text, unit="step", disable=hidden)
    with bar:
        for epoch in range(first, last):
            started, losses = time.monotonic(), []
            for step in range(epoch * steps, (epoch + 1) * steps):
                losses.append(train_step(training, next(batches), step, steps * last))
                bar.update()
            learned = [loss for loss in losses if math.isfinite(loss)]
            if skipped := len(losses) - len(learned):
                say(f"epoch {epoch + 1}: {skipped} steps skipped, their loss was no number")
            row = {
                "epoch": epoch + 1,
                "step": (epoch + 1) * steps,
                "seconds": time.monotonic() - started,
                "learning_rate": training.optimizer.param_groups[0]["lr"],
                "train_loss": sum(learned) / max(1, len(learned)),
                **validate(training.average, validation_cubes, settings),
            }
            better = quality(row) > training.best
            training.history.append(row)
            bar.set_postfix(
                loss=f"{row['train_loss']:.3f}", GB=f"{peak_gb(training.device):.1f}", refresh=False
            )
            if text := advice(training.history, last):
                say(text)
            if main:
                if better:
                    save_networks(folder / "weights.safetensors", [(training.average, about or {})])
                write_history(folder / "history.csv", training.history)
                training.save(folder / "last.safetensors")
                on_epoch(training.history)
            training.accelerator.wait_for_everyone()
    return training.history


def train_step(training: Trainer, batch: tuple[Tensor, Tensor], step: int, steps: int) -> float:
    """One of `steps` steps, on a batch as cubes hold it; returns its loss, NaN where skipped."""
    settings = training.settings
    image, soft_labels = floats(*batch, training.device)
    seen = [
        changed(image[n : n + 1], soft_labels[n : n + 1], settings, draw)
        for n, draw in enumerate(training.share(step))
    ]
    image, soft_labels = (torch.cat(one) for one in zip(*seen, strict=True))
    return training.update(image, soft_labels, rate(step, steps, settings), step)


def changed(
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
        image, soft_labels = floats(*whole(path), device)
        with mixed_precision(device, image.shape[-1] // network.divisor):
            logits = network(image)
        logits = logits.float()
        losses.append(LOSSES[settings.loss](logits, class_targets(soft_labels)).item())
        p = logits.softmax(1)
        predicted = torch.stack([p[:, 1] + p[:, 2], p[:, 2]], dim=1) >= 0.5
        truth = soft_labels >= 0.5
        both, each = (
            x.sum((0, 2, 3, 4)) for x in (predicted & truth, predicted.int() + truth.int())
        )
        exists = truth.sum((0, 2, 3, 4)) > 0
        dices.append(torch.where(exists, 2 * both / each, torch.nan))
    liver, tumour = torch.stack(dices).nanmean(0).tolist()
    return {
        "validation_loss": sum(losses) / len(losses),
        "validation_liver_dice": liver,
        "validation_tumour_dice": tumour,
    }


def rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The learning rate of a step: rising for `warmup` steps, then falling as a half cosine."""
    if not settings.warmup:
        return settings.learning_rate
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, steps - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
