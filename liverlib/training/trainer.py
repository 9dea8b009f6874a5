"""A network while it learns: what a step changes, and what is saved to go on from.

Accelerate knows the devices: the same step runs on a CPU, a GPU, or many in several processes,
each of which sees its share of the batch. Checkpoints are plain tensors and JSON.
"""

import math
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs
from torch import Tensor, nn

from liverlib.core.device import best_device, is_accurate, precision
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import to_dict
from liverlib.models.losses import LOSSES, class_targets
from liverlib.models.unet import UNet3D
from liverlib.models.weights import read_tensors, write_tensors

from .history import History, quality
from .settings import TrainSettings

PATIENCE = 10  # steps without a usable gradient, in a row
RESTART = "Delete it to train this stage from its start, or copy it again."


class Trainer:
    """A network, its optimiser, and the moving average of its weights that is used in the end.

    `edge` is that of the patches it learns from, in voxels, and `cases` their number of cases. The
    shape and weights of `init` are taken over, where it is given.
    """

    def __init__(
        self, settings: TrainSettings, edge: int, init: UNet3D | None = None, cases: int = 0
    ) -> None:
        torch.manual_seed(settings.seed)
        if init:
            settings = replace(settings, **init.shape)
        self.settings, self.edge, self.cases = settings, edge, cases
        self.network = UNet3D(settings.channels, settings.block_size, settings.norm)
        if init:
            self.network.load_state_dict(init.state_dict())
        device = best_device()
        accurate = is_accurate(device, edge // self.network.divisor)
        self.accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision=precision(device),
            kwargs_handlers=[AutocastKwargs(enabled=accurate)],
        )
        self.device, processes = self.accelerator.device, self.accelerator.num_processes
        if settings.batch % processes:
            raise LiverlibError(
                f"{settings.batch} patches a step cannot be shared by {processes} processes. "
                f"Choose a multiple: --coarse.batch {processes} --roi.batch {processes}."
            )
        self.ema = deepcopy(self.network).to(self.device).eval().requires_grad_(False)
        weights = self.network.parameters()
        optimizer = torch.optim.AdamW(
            weights, settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.model, self.optimizer = self.accelerator.prepare(self.network, optimizer)
        if settings.compile:
            self.model = compile_network(
                self.model, torch.zeros(1, 1, *(edge,) * 3, device=self.device)
            )
        self.micro_batch = min(settings.micro_batch or settings.batch, settings.batch // processes)
        self.history: History = []
        self.refused = 0  # steps in a row

    def draws(self, step: int) -> range:
        """The draws that this process sees in a step."""
        first = step * self.settings.batch
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        return range(first + rank, first + self.settings.batch, processes)

    def update(self, image: Tensor, soft_labels: Tensor, rate: float, step: int) -> float:
        """One step of the optimiser on a batch; returns the batch's loss, over all processes.

        Where the loss or its gradient is no number, the weights are left alone and NaN is returned.
        Raises `LiverlibError` where that happens ten times in a row.
        """
        loss = self._backward(image, soft_labels)
        norm = self.accelerator.clip_grad_norm_(
            self.network.parameters(), self.settings.clip or math.inf
        )
        scaler = self.accelerator.scaler  # it looks after its gradients itself
        usable = math.isfinite(loss) and (scaler is not None or math.isfinite(norm))
        if usable:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self.refused = 0
        else:
            self.refused += 1
            if scaler is not None:
                scaler.update()  # which a step of the optimiser does otherwise
        self.optimizer.zero_grad()
        if self.refused == PATIENCE:
            raise LiverlibError(
                f"The loss is no longer a number, {PATIENCE} steps in a row up to step {step}. "
                f"Lower the learning rate (now {self.settings.learning_rate:g}), or look for "
                "broken scans with: liverlib check. The last checkpoint is whole."
            )
        decay = min(self.settings.ema_decay, (1 + step) / (10 + step))  # it forgets its start
        with torch.no_grad():
            means: list[Tensor] = list(self.ema.parameters())
            values: list[Tensor] = list(self.network.parameters())
            torch._foreach_lerp_(means, values, 1 - decay)
        return loss if usable else math.nan

    def _backward(self, image: Tensor, soft_labels: Tensor) -> float:
        """Gathers gradients of the batch, in smaller pieces where memory does not hold it."""
        while True:
            try:
                return self._pieces(image, soft_labels)
            except torch.cuda.OutOfMemoryError as error:
                if self.micro_batch == 1 or self.accelerator.num_processes > 1:
                    raise LiverlibError(self._too_large()) from error
            self.optimizer.zero_grad()
            torch.cuda.empty_cache()
            self.micro_batch //= 2
            self.accelerator.print(
                f"Out of memory: {self.micro_batch} patches at once from here on. Gradients are "
                "summed; the loss's Dice is taken over so many patches."
            )

    def _pieces(self, image: Tensor, soft_labels: Tensor) -> float:
        total = torch.zeros((), device=self.device)
        parts = list(
            zip(image.split(self.micro_batch), soft_labels.split(self.micro_batch), strict=True)
        )
        for n, (part, labels) in enumerate(parts, start=1):
            together = nullcontext() if n == len(parts) else self.accelerator.no_sync(self.model)
            with together:
                logits = self.model(part).float()
                loss = LOSSES[self.settings.loss](logits, class_targets(labels))
                loss = loss * (len(part) / len(image))
                self.accelerator.backward(loss)
            total += loss.detach()
        return self.accelerator.reduce(total, "mean").item()

    def _too_large(self) -> str:
        divisor = self.network.divisor
        smaller = max(self.settings.least_edge, int(self.edge * 0.8) // divisor * divisor)
        return (
            f"Out of memory with patches of {self.edge}³, {self.micro_batch} at once. Smaller ones "
            f"take half: --coarse.patch_size {smaller} --roi.patch_size {smaller}."
        )

    @property
    def best(self) -> float:
        """The highest `quality` so far; −1 before the first epoch."""
        return max(map(quality, self.history), default=-1.0)

    def save(self, path: Path) -> None:
        """Writes the whole state as one file, atomically."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for n, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{n}.{k}": v for k, v in state.items()}
        scaler = self.accelerator.scaler
        kept = {
            "settings": to_dict(self.settings),
            "cases": self.cases,
            "history": self.history,
            "refused": self.refused,
            "scaler": scaler.state_dict() if scaler else None,
        }
        write_tensors(path, tensors, "trainer", kept)

    def load(self, path: Path) -> None:
        """Goes on from a saved state; raises `LiverlibError` where other settings, or another
        number of cases, made it, and for a damaged file."""
        kept, tensors = read_tensors(path, "trainer", "a training's checkpoint", RESTART)
        if not {"settings", "history", "refused", "scaler"} <= set(kept):
            raise LiverlibError(f"{path}: its description is damaged. {RESTART}")
        if kept["settings"] != to_dict(self.settings):
            raise LiverlibError(f"{path}: made with other settings. Choose another run's name.")
        if kept.get("cases", self.cases) != self.cases:
            raise LiverlibError(
                f"{path}: made with {kept['cases']} cases, not {self.cases}. Choose another name."
            )
        try:
            self._restore(kept, tensors)
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise LiverlibError(f"{path}: does not fit this network. {RESTART}") from error

    def _restore(self, kept: dict, tensors: dict[str, Tensor]) -> None:
        self.network.load_state_dict(_below("network.", tensors))
        self.ema.load_state_dict(_below("ema.", tensors))
        state: dict[int, dict] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            n, key = name.split(".")
            state.setdefault(int(n), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.history, self.refused = kept["history"], kept["refused"]
        if self.accelerator.scaler and kept["scaler"]:
            self.accelerator.scaler.load_state_dict(kept["scaler"])


def compile_network(model: nn.Module, example: Tensor) -> nn.Module:
    """The model compiled, once tried on an example; as it is where that fails, which is said."""
    faster: nn.Module = torch.compile(model)  # type: ignore[assignment]
    try:
        faster(example).sum().backward()
    except Exception as error:  # whatever a compiler may say
        print(f"Not compiled ({str(error).splitlines()[0]}): slower, but the same.")
        return model
    model.zero_grad()
    return faster


def _below(prefix: str, tensors: dict) -> dict:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
