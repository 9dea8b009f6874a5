"""Random changes of a batch, on the device it is on: what one patient might have looked like.

Shape first: one random affine (rotation, scale) takes image and shares in a single resampling.
Then grey values: contrast, brightness, gamma, noise, blur. Never mirrored: the liver lies right.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(image: Tensor, occupancy: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A changed image (B, 1, D, H, W), values about 0…1, and its shares (B, 2, D, H, W).

    All randomness comes from `random`, a generator on the CPU: equal seeds, equal batches.
    """
    if _chance(0.25, random):  # what costs most: a quarter of the batches
        image, occupancy = warp(image, occupancy, random)
    return grey(image, random), occupancy


def warp(image: Tensor, occupancy: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rotated by up to 15° about each axis and scaled by 0.8 to 1.25, about the centre."""
    matrices = torch.stack([_affine(random) for _ in range(len(image))]).to(image.device)
    grid = F.affine_grid(matrices, list(image.shape), align_corners=False)
    both = torch.cat([image, occupancy], dim=1)
    both = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
    return both[:, :1], both[:, 1:]


def grey(image: Tensor, random: torch.Generator) -> Tensor:
    """Contrast, brightness and gamma of each sample, then noise or blur of some."""

    def each(low: float, high: float) -> Tensor:
        shape = (len(image), 1, 1, 1, 1)
        return (torch.rand(shape, generator=random) * (high - low) + low).to(image.device)

    image = (image - 0.5) * each(0.8, 1.25) + 0.5 + each(-0.08, 0.08)
    image = image.clamp(0, 1) ** each(0.8, 1.25)
    if _chance(0.2, random):
        image = F.avg_pool3d(F.pad(image, (1,) * 6, mode="replicate"), 3, stride=1)
    if _chance(0.3, random):
        noise = torch.randn(image.shape, generator=random).to(image.device)
        image = image + noise * each(0, 0.06)
    return image


def _affine(random: torch.Generator) -> Tensor:
    """(3, 4): where each output voxel looks in the input, in units of half the window."""
    angles = (torch.rand(3, generator=random) * 2 - 1) * math.radians(15)
    scale = math.exp((torch.rand(1, generator=random).item() * 2 - 1) * math.log(1.25))
    turn = torch.eye(3)
    for axis, angle in enumerate(angles.tolist()):
        i, j = [other for other in range(3) if other != axis]
        one = torch.eye(3)
        one[i, i] = one[j, j] = math.cos(angle)
        one[i, j], one[j, i] = -math.sin(angle), math.sin(angle)
        turn = turn @ one
    return torch.cat([turn * scale, torch.zeros(3, 1)], dim=1)


def _chance(probability: float, random: torch.Generator) -> bool:
    return torch.rand(1, generator=random).item() < probability
