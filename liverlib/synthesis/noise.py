"""Random fields over blocks of voxels, and how they are interpolated and blurred, on any device.

Everything works along one axis at a time. The values equal those of `torch.nn.functional` for
three axes at once, and on a CPU they come far sooner.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def white_noise(
    shape: Sequence[int], random: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """White noise of unit variance, made on the device: other devices give other noise."""
    generator = torch.Generator(device).manual_seed(int(random.integers(2**62)))
    return torch.randn(tuple(shape), generator=generator, device=device)


def smooth_noise(
    edge: int, width: int, random: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """Noise (1, 1, edge³) of standard deviation 0.8 or so, its features `width` voxels wide."""
    coarse = white_noise((1, 1, *(edge // width + 2,) * 3), random, device)
    return 1.5 * upsample(coarse, edge)


def upsample(coarse: Tensor, edge: int) -> Tensor:
    """Values (…, n, n, n) interpolated to (…, edge, edge, edge), from corner to corner."""
    n = torch.eye(coarse.shape[-1], device=coarse.device)
    weights = F.interpolate(n[None], edge, mode="linear", align_corners=True)[0]  # (n, edge)
    plane = weights.T @ (coarse @ weights)
    return (weights.T @ plane.flatten(-2)).unflatten(-1, (edge, edge))


def thick_slices(image: Tensor, count: int) -> Tensor:
    """An image as `count` slices along its last axis show it, each the mean of what it covers."""
    n = image.shape[-1]
    slices = F.interpolate(torch.eye(n, device=image.device)[None], count, mode="area")
    return image @ F.interpolate(slices, n, mode="linear")[0]


def local_mean(values: Tensor, radius: int) -> Tensor:
    """The mean over the neighbours up to `radius` voxels away along each axis; 0 outside."""
    width = 2 * radius + 1
    for axis in (-3, -2, -1):
        n, padding = values.shape[axis], [0, 0] * (-1 - axis) + [radius, radius]
        padded = F.pad(values, padding)
        parts = [padded.narrow(axis, first, n) for first in range(width)]
        values = sum(parts[1:], parts[0])
    return values / width**3
