"""What is random, from a seed and the number of a draw alone."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .arrays import Box


def shuffled_index(seed: int, draw: int, count: int) -> int:
    """Which of so many cases a draw sees: they come in turn, in another order each time round."""
    round_, place = divmod(draw, count)
    return int(np.random.default_rng([seed, round_, 1]).permutation(count)[place])


def around(centre: list[int], reach: Sequence[float], on: Tensor) -> tuple[Box, list[Tensor]]:
    """The voxels so far around a centre, and how far each is from it along an axis, (n, 1, 1) …"""
    box, axes = [], []
    for axis, (place, far, n) in enumerate(zip(centre, reach, on.shape[-3:], strict=True)):
        low, high = max(0, place - math.ceil(far)), min(n, place + math.ceil(far) + 1)
        box.append(slice(low, high))
        along = torch.arange(low - place, high - place, device=on.device, dtype=torch.float32)
        axes.append(along.reshape([-1 if other == axis else 1 for other in range(3)]))
    return tuple(box), axes


def rough_ellipsoid(axes: list[Tensor], radius: float, random: torch.Generator) -> Tensor:
    """How deep each place, so many voxels from the middle along the axes (as `around` gives them),
    lies in an uneven ellipsoid: (D, H, W), in voxels."""
    radii = radius * (0.15 * torch.randn(3, generator=random)).exp()
    x, y, z = axes
    depth = radius * (1 - ((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2).sqrt())
    uneven = between(0, 0.15, random) * radius
    for _ in range(4):
        k, start = 1.6 / radius * torch.randn(3, generator=random), between(0, 6.3, random)
        depth = depth + uneven * torch.sin(k[0] * x + k[1] * y + k[2] * z + start)
    return depth


def between(low: float, high: float, random: torch.Generator) -> float:
    return low + (high - low) * torch.rand(1, generator=random).item()


def chance(probability: float, random: torch.Generator) -> bool:
    return torch.rand(1, generator=random).item() < probability
