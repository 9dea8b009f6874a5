"""The training loop, its history and its checkpoints.

What is special: nothing random is kept between steps. What step n sees and how it is changed
follows from the seed and n, so a run that was killed and started again ends, on the same machine,
with the same weights as one that was not. Every file of a checkpoint is plain tensors and JSON.
"""

import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm.auto import tqdm

from liverlib import LiverlibError
from liverlib.augment import augment, implant
from liverlib.device import best_device, mixed_precision
from liverlib.files import atomic
from liverlib.losses import LOSSES, class_shares
from liverlib.presets import TrainSettings
from liverlib.settings import to_dict
from liverlib.unet import UNet3D, save_networks
from liverlib.windows import Windows, whole

History = list[dict[str, float]]


class Training:
    """Everything that changes while training, and what is saved to go on from."""

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, best_device()
        self.network = UNet3D(settings.channels, settings.fold, settings.norm).to(self.device)
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.decay
        )
        self.history: History = []

    @property
    def best(self) -> float:
        """The highest `quality` so far; −1 before the first epoch."""
        return max(map(quality, self.history), default=-1.0)

    def save(self, path: Path) -> None:
        """Writes the whole state as one file, atomically."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for n, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{n}.{k}": v for k, v in state.items()}
        kept = {"settings": to_dict(self.settings), "history": self.history}
        with atomic(path) as temporary:
            save_file(tensors, temporary, {"training": json.dumps(kept)})

    def load(self, path: Path) -> None:
        """Goes on from a saved state; raises `LiverlibError` where other settings made it."""
        with safe_open(path, "pt", device=str(self.device)) as file:
            kept = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if kept["settings"] != to_dict(self.settings):
            raise LiverlibError(f"{path}: made with other settings. Choose another run's name.")
        self.network.load_state_dict(_below("network.", tensors))
        self.average.load_state_dict(_below("average.", tensors))
        state: dict[int, dict] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            n, key = name.split(".")
            state.setdefault(int(n), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.history = kept["history"]


def train(
    train_cubes: Sequence[Path],
    validation_cubes: Sequence[Path],
    folder: str | Path,
    settings: TrainSettings = TrainSettings(),
    about: dict | None = None,
    on_epoch: Callable[[History], None] = lambda history: None,
) -> History:
    """Trains on cached cubes, or goes on where an earlier call in the same folder was stopped.

    After every epoch writes ``last.safetensors`` (to go on from), ``history.csv``, and, when it
    is the best so far by `quality`, ``weights.safetensors`` (with `about` inside); then calls
    `on_epoch` with the rows so far. Raises `LiverlibError` where the loss is no longer a number.
    """
    folder = Path(folder)
    training = Training(settings)
    if (folder / "last.safetensors").exists():
        training.load(folder / "last.safetensors")
    first, last = len(training.history), settings.epochs
    if first >= last:
        return training.history
    windows = Windows(train_cubes, settings.window, settings.tumour, settings.liver, settings.seed)
    steps = settings.steps or math.ceil(len(train_cubes) / settings.batch)
    said = f"training {folder.name}"
    bar = tqdm(total=steps * last, initial=steps * first, desc=said, unit="step")
    with bar:
        for epoch in range(first, last):
            started, total = time.monotonic(), 0.0
            for step in range(epoch * steps, (epoch + 1) * steps):
                loss = train_step(training, windows, step, steps * last)
                total += loss
                bar.update()
            bar.set_postfix(loss=f"{total / steps:.3f}", refresh=False)
            row = {
                "epoch": epoch + 1,
                "step": (epoch + 1) * steps,
                "seconds": time.monotonic() - started,
                "learning_rate": training.optimizer.param_groups[0]["lr"],
                "train_loss": total / steps,
                **validate(training.average, validation_cubes, settings),
            }
            if quality(row) > training.best:
                save_networks(folder / "weights.safetensors", [(training.average, about or {})])
            training.history.append(row)
            write_history(folder / "history.csv", training.history)
            training.save(folder / "last.safetensors")
            on_epoch(training.history)
    return training.history


def train_step(training: Training, windows: Windows, step: int, steps: int) -> float:
    """One step on what `step` sees; returns its loss."""
    settings, network = training.settings, training.network
    image, occupancy = (x.to(training.device) for x in windows.batch(step, settings.batch))
    random = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    if torch.rand(1, generator=random).item() < settings.implants:
        image, occupancy = implant(image, occupancy, random)
    if settings.augmented:
        image, occupancy = augment(image, occupancy, random)
    with mixed_precision(training.device, image.shape[-1] // network.divisor):
        logits = network(image)
    loss = LOSSES[settings.loss](logits.float(), class_shares(occupancy))
    if not torch.isfinite(loss):
        raise LiverlibError(
            f"The loss is no longer a number at step {step}. Lower the learning rate "
            f"(now {settings.learning_rate:g}); the last checkpoint is whole."
        )
    training.optimizer.zero_grad()
    loss.backward()
    if settings.clip:
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    for group in training.optimizer.param_groups:
        group["lr"] = rate(step, steps, settings)
    training.optimizer.step()
    decay = min(settings.average, (1 + step) / (10 + step))  # an average forgets its start
    with torch.no_grad():
        for mean, value in zip(training.average.parameters(), network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
    return loss.item()


@torch.inference_mode()
def validate(network: UNet3D, cubes: Sequence[Path], settings: TrainSettings) -> dict[str, float]:
    """Loss and Dice on whole cubes: they steer the training; scores are made on the scans' grids.

    The tumour's Dice is a mean over the cubes that hold tumour; NaN where none does.
    """
    losses, dices = [], []
    device = next(network.parameters()).device
    for path in cubes:
        image, occupancy = (x.to(device) for x in whole(path))
        with mixed_precision(device, image.shape[-1] // network.divisor):
            logits = network(image)
        logits = logits.float()
        losses.append(LOSSES[settings.loss](logits, class_shares(occupancy)).item())
        p = logits.softmax(1)
        predicted = torch.stack([p[:, 1] + p[:, 2], p[:, 2]], dim=1) >= 0.5
        truth = occupancy >= 0.5
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


def quality(row: dict[str, float]) -> float:
    """What the best epoch is chosen by: the mean of the validation Dices that exist."""
    dices = [row["validation_liver_dice"], row["validation_tumour_dice"]]
    return sum(d for d in dices if d == d) / max(1, sum(d == d for d in dices))


def rate(step: int, steps: int, settings: TrainSettings) -> float:
    """The learning rate of a step: rising for `warmup` steps, then falling as a half cosine."""
    if not settings.warmup:
        return settings.learning_rate
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, steps - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2


def write_history(path: Path, history: History) -> None:
    """The rows as CSV, atomically."""
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def read_history(path: str | Path) -> History:
    """The rows of a ``history.csv``."""
    with open(path, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _below(prefix: str, tensors: dict) -> dict:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
