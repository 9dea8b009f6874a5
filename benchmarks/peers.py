"""Networks and recipes that speed/gpu.py, speed/step.py and quality/train.py set side by side.

Peers come from their own packages, with their published settings:
`pip install --no-deps monai dynamic-network-architectures nnunetv2`. To their advantage they
compute in the machine's best precision, channels last where that is faster. Their next batch is
made while they learn. nnU-Net is spared its augmentation, which pays in trainings of days.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from liverlib.core.device import mixed_precision
from liverlib.models.losses import dice_cross_entropy
from liverlib.models.unet import UNet3D
from liverlib.training.settings import ORIGINAL, ROI_DEFAULTS

Pair = tuple[Tensor, Tensor]  # image (n, 1, …), 0…1, and classes (n, 1, …)
Crop = Callable[[Tensor, Tensor, np.random.Generator, int], list[Pair]]


@dataclass
class Recipe:
    """A network, and how its own project trains it."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Tensor, Tensor], Tensor]
    patch: int  # edge of what it learns from
    divisor: int  # of its image's edge
    batch: int = 2  # cubes a step
    crop: Crop = lambda image, classes, random, n: [(image, classes)]  # n: index in the batch
    poly: bool = False  # the rate falls to nothing, as (1 − fraction of the time)^0.9
    clip: float = math.inf
    standardised: bool = False  # grey values to mean 0 and deviation 1 of the foreground
    float32: bool = False  # else at the machine's best precision, as liverlib
    channels_last: bool = False  # where it makes the network faster on CPUs

    def update(self, image: Tensor, classes: Tensor, done: float = 0.0) -> float:
        """One step of the optimiser on a batch, when a fraction `done` of the time is over."""
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("first_lr", group["lr"]) * self._falling(done)
        deepest = self.patch // self.divisor
        precise = nullcontext() if self.float32 else mixed_precision(image.device, deepest)
        with precise:
            logits = self.network(image)
        loss = self.loss(logits, classes)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def _falling(self, done: float) -> float:
        return max(0.0, 1 - done) ** 0.9 if self.poly else 1.0


def original(patch: int) -> Recipe:
    """The original project's: whole cubes, cross-entropy, float32."""
    network = UNet3D(ORIGINAL.channels, ORIGINAL.block_size, ORIGINAL.norm)
    return Recipe(
        network, torch.optim.Adam(network.parameters(), ORIGINAL.learning_rate),
        lambda logits, classes: F.cross_entropy(logits, classes[:, 0].long()),
        patch, network.divisor, ORIGINAL.batch, float32=True,
    )  # fmt: skip


def liverlib(patch: int) -> Recipe:
    """The network, loss and optimiser alone; `entrants.OwnTraining` is the whole training."""
    network = UNet3D()
    rate, decay = ROI_DEFAULTS.learning_rate, ROI_DEFAULTS.weight_decay
    return Recipe(
        network, torch.optim.AdamW(network.parameters(), rate, weight_decay=decay),
        lambda logits, classes: dice_cross_entropy(
            logits.float(), torch.cat([classes == value for value in range(3)], 1).float()
        ),
        patch, network.divisor, clip=ROI_DEFAULTS.clip,
    )  # fmt: skip


def monai_unet(patch: int) -> Recipe:
    """MONAI's spleen tutorial, with DiceCE: 2 cubes × 4 crops, Adam 1e-4."""
    from monai.losses import DiceCELoss

    network = unet_of_monai(norm="batch")
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    return Recipe(
        network, torch.optim.Adam(network.parameters(), 1e-4),
        lambda logits, classes: loss(logits.float(), classes),
        patch, 16, crop=_pos_neg(patch, 4), channels_last=True,
    )  # fmt: skip


def unet_of_monai(norm: str) -> nn.Module:
    """The tutorial's network."""
    from monai.networks.nets import UNet

    return UNet(3, 1, 3, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2, norm=norm)


def dynunet(patch: int) -> Recipe:
    """MONAI's dynunet_pipeline: three supervised heads, DiceCE, SGD; its augmentation too."""
    from monai.losses import DiceCELoss
    from monai.networks.nets import DynUNet

    halvings = int(math.log2(patch / 4))  # while an edge is at least 8
    strides = [1] + [2] * halvings
    network = DynUNet(
        3, 1, 3, [3] * len(strides), strides, strides[1:],
        norm_name="instance", deep_supervision=True, deep_supr_num=min(3, halvings - 1),
    )  # fmt: skip
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    return Recipe(
        network, _sgd(network),
        lambda heads, classes: sum(
            0.5**n * loss(head.float(), classes) for n, head in enumerate(heads.unbind(1))
        ),
        patch, 2**halvings, crop=_pos_neg(patch, 1, _augmentation()), poly=True, standardised=True,
    )  # fmt: skip


def plain_conv_unet(patch: int) -> Recipe:
    """nnU-Net's network, loss and optimiser: as many stages as leave an edge of 4, at most six,
    supervised at all but the lowest. Patches as large as the cubes are the cubes."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    stages = min(6, 1 + int(math.log2(patch / 4)))
    network = PlainConvUNet(
        1, stages, [32, 64, 128, 256, 320, 320][:stages], nn.Conv3d, 3, [1] + [2] * (stages - 1),
        2, 3, 2, True, nn.InstanceNorm3d, {"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
    )  # fmt: skip
    network.apply(network.initialize)
    weights = np.array([0.5**n for n in range(stages - 2)] + [0.0])
    dice = {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss = DeepSupervisionWrapper(
        DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss), weights / weights.sum()
    )

    def supervised(heads: Sequence[Tensor], classes: Tensor) -> Tensor:
        sizes = [head.shape[2:] for head in heads]
        labels = [F.interpolate(classes, size, mode="nearest-exact") for size in sizes]
        return loss([head.float() for head in heads], labels)

    return Recipe(
        network, _sgd(network), supervised, patch, 2 ** (stages - 1),
        crop=_third_foreground(patch), poly=True, clip=12, standardised=True,
        channels_last=True,
    )  # fmt: skip


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        network.parameters(), 1e-2, momentum=0.99, weight_decay=3e-5, nesterov=True
    )


def _pos_neg(patch: int, samples: int, augment: Callable = lambda pair: pair) -> Crop:
    """MONAI's own crops, half of them around a voxel of the foreground."""
    from monai.transforms import RandCropByPosNegLabeld

    cut = RandCropByPosNegLabeld(
        ("image", "label"), "label", (patch,) * 3, 1, 1, samples, "image", 0
    )
    cut.set_random_state(0)

    def crop(image: Tensor, classes: Tensor, random: np.random.Generator, n: int) -> list[Pair]:
        cuts = map(augment, cut({"image": image[0], "label": classes[0]}))
        return [tuple(pair[key].as_tensor()[None] for key in ("image", "label")) for pair in cuts]

    return crop


def _augmentation() -> Callable:
    from monai import transforms as t

    chain = t.Compose([
        t.RandZoomd(("image", "label"), 0.15, 0.9, 1.2, ("trilinear", "nearest"),
                    align_corners=(True, None)),
        t.RandGaussianNoised("image", 0.15, std=0.01),
        t.RandGaussianSmoothd("image", *[(0.5, 1.15)] * 3, prob=0.15),
        t.RandScaleIntensityd("image", 0.3, 0.15),
        *[t.RandFlipd(("image", "label"), 0.5, axis) for axis in range(3)],
    ])  # fmt: skip
    return chain.set_random_state(0)


def _third_foreground(patch: int) -> Crop:
    """nnU-Net's: of two crops the second lies around a voxel of a class that it holds."""

    def crop(image: Tensor, classes: Tensor, random: np.random.Generator, n: int) -> list[Pair]:
        edge = np.array(image.shape[2:])
        low = random.integers(0, edge - patch + 1)
        present = [value for value in (1, 2) if (classes == value).any()]
        if n == 1 and present:
            voxels = (classes[0, 0] == random.choice(present)).nonzero().numpy()
            low = np.clip(random.choice(voxels) - patch // 2, 0, edge - patch)
        x, y, z = (slice(start, start + patch) for start in low.tolist())
        return [(image[:, :, x, y, z], classes[:, :, x, y, z])]

    return crop
