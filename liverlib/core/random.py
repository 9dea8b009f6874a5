"""Random numbers and shapes that depend on a seed and the number of a draw alone."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .arrays import Box


def shuffled_index(seed: int, draw: int, count: int) -> int:
    """Index of the case that a draw takes, of `count`: each once a round, every round shuffled."""
    turn, position = divmod(draw, count)
    return int(np.random.default_rng([seed, turn, 1]).permutation(count)[position])


def around(centre: Sequence[int], reach: Sequence[float], on: Tensor) -> tuple[Box, list[Tensor]]:
    """The box of `on`'s voxels within `reach` of a centre, along each of the last three axes.

    With it, for each axis, the voxels' distances from the centre, of shape (n, 1, 1), (1, n, 1)
    and (1, 1, n), on the device of `on`.
    """
    box, axes = [], []
    for axis, (middle, far, size) in enumerate(zip(centre, reach, on.shape[-3:], strict=True)):
        low, high = max(0, middle - math.ceil(far)), min(size, middle + math.ceil(far) + 1)
        box.append(slice(low, high))
        offsets = torch.arange(low - middle, high - middle, device=on.device, dtype=torch.float32)
        axes.append(offsets.reshape([-1 if other == axis else 1 for other in range(3)]))
    return (box[0], box[1], box[2]), axes


def rough_ellipsoid(axes: list[Tensor], radius: float, random: torch.Generator) -> Tensor:
    """Depth of each voxel inside a perturbed ellipsoid, (D, H, W), in voxels; negative outside.

    `axes` are the voxels' distances from its centre, as `around` gives them.
    """
    radii = radius * (0.15 * torch.randn(3, generator=random)).exp()
    x, y, z = axes
    depth = radius * (1 - ((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2).sqrt())
    amplitude = between(0, 0.15, random) * radius
    for _ in range(4):
        wave, phase = 1.6 / radius * torch.randn(3, generator=random), between(0, 6.3, random)
        depth = depth + amplitude * torch.sin(wave[0] * x + wave[1] * y + wave[2] * z + phase)
    return depth


def between(low: float, high: float, random: torch.Generator) -> float:
    """A uniform random number from `low` to `high`."""
    return low + (high - low) * torch.rand(1, generator=random).item()


def chance(probability: float, random: torch.Generator) -> bool:
    """True with this probability."""
    return torch.rand(1, generator=random).item() < probability
