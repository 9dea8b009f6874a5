"""The entrants of train.py: each has a network, and a step of its training."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import peers
import torch
from peers import Pair, Recipe
from torch import Tensor, nn

from liverlib.core.parallel import prefetch
from liverlib.training import trainer
from liverlib.training.loop import train_step
from liverlib.training.sampler import PatchSampler, whole_cube
from liverlib.training.settings import ROI_DEFAULTS, TrainSettings

RECIPES = {
    "original": peers.original,
    "MONAI UNet": peers.monai_unet,
    "MONAI DynUNet": peers.dynunet,
    "nnU-Net's PlainConvUNet": peers.plain_conv_unet,
    "nnU-Net's PlainConvUNet, 64³": peers.plain_conv_unet,
}


def entrant(name: str, cubes: Sequence[Path], patch: int, steps: int) -> "OwnTraining | Peer":
    """The entrant of this name; `steps` is that of liverlib, 0: as many as the ROI stage has."""
    torch.manual_seed(ROI_DEFAULTS.seed)
    if name in RECIPES:
        return Peer(RECIPES[name](patch), cubes)
    settings, edge = ROI_DEFAULTS, len(whole_cube(cubes[0])[0][0, 0])
    settings = replace(settings, patch_size=settings.patch_size * edge // 128)
    if name == "liverlib":
        steps = steps or settings.epochs * settings.steps
        return OwnTraining(replace(settings, epochs=1, steps=steps), cubes)
    network = peers.unet_of_monai(norm="instance")  # a mean of weights has no batch statistics
    network = network.to(memory_format=torch.channels_last_3d)
    return OwnTraining(replace(settings, steps=0), cubes, Wrapped(network, divisor=16))


class OwnTraining:
    """liverlib's training, of its own network or, with its recipe, of another."""

    averaged = True  # what is applied are the means of weights, which do not learn themselves

    def __init__(
        self, settings: TrainSettings, cubes: Sequence[Path], network: nn.Module | None = None
    ) -> None:
        if network is not None:
            trainer.UNet3D = lambda *shape: network
        sampler = PatchSampler(cubes, settings)
        self.trainer = trainer.Trainer(settings, sampler.edge)
        self.network, self.steps = self.trainer.ema, settings.steps
        self.batches = prefetch(
            lambda step: sampler.batch(self.trainer.draws(step)), itertools.count()
        )

    def step(self, n: int, done: float) -> float:
        """Step n, before which a fraction `done` of the training was over; returns its loss."""
        steps = self.steps or max(n + 1, round(n / done) if done else 1_000_000)
        return train_step(self.trainer, next(self.batches), n, steps)


class Peer:
    """Another project's recipe at work on the same cubes."""

    averaged, steps = False, 0  # it trains until the time is over

    def __init__(self, recipe: Recipe, cubes: Sequence[Path]) -> None:
        self.recipe, self.cubes, network = recipe, list(cubes), recipe.network
        if recipe.channels_last:
            network = network.to(memory_format=torch.channels_last_3d)
        mean, deviation = self._foreground() if recipe.standardised else (0.0, 1.0)
        self.network = recipe.network = Wrapped(network, recipe.divisor, mean, deviation)
        self.batches = prefetch(self._batch, itertools.count())

    def step(self, n: int, done: float) -> float:
        """Step n, before which a fraction `done` of the time was over; returns its loss."""
        return self.recipe.update(*next(self.batches), done)

    def _batch(self, n: int) -> Pair:
        """The cubes come in turn, in another order each time round."""
        size, count = self.recipe.batch, len(self.cubes)
        pairs = []
        for index in range(size):
            turn, position = divmod(n * size + index, count)
            path = self.cubes[np.random.default_rng([turn, 1]).permutation(count)[position]]
            random = np.random.default_rng([n, index])
            pairs += self.recipe.crop(*image_and_classes(path), random, index)
        image, classes = (torch.cat(part) for part in zip(*pairs, strict=True))
        return image, classes

    def _foreground(self) -> tuple[float, float]:
        """Mean and standard deviation of the grey values inside the livers."""
        pairs = map(image_and_classes, self.cubes)
        values = torch.cat([image[classes > 0] for image, classes in pairs])
        return values.mean().item(), values.std().item()


class Wrapped(nn.Module):
    """A network that is given grey values 0…1; where it is applied, its deeper heads are silent."""

    def __init__(
        self, network: nn.Module, divisor: int, mean: float = 0.0, deviation: float = 1.0
    ) -> None:
        super().__init__()
        self.network, self.divisor = network, divisor
        self.mean, self.deviation = mean, deviation

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        logits = self.network((image - self.mean) / self.deviation)
        return logits if self.training or isinstance(logits, Tensor) else logits[0]


def image_and_classes(path: Path) -> Pair:
    """A whole cube, each voxel of one class."""
    image, soft_labels = whole_cube(path)
    return image.float() / 255, (soft_labels >= 128).sum(1, keepdim=True).float()
