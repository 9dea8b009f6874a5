"""Values over a block of voxels: noise, stretched and blurred, on the device it is made on.

Everything works along one axis at a time: the same values as `torch.nn.functional` gives for three
at once, and far sooner on a CPU.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def white(
    shape: Sequence[int], random: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """White noise of unit variance, made on the device: other devices, other noise."""
    there = torch.Generator(device).manual_seed(int(random.integers(2**62)))
    return torch.randn(tuple(shape), generator=there, device=device)


def smooth(
    edge: int, width: int, random: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """Noise (1, 1, …) of a standard deviation of about 0.8, its features `width` voxels wide."""
    return 1.5 * stretched(white((1, 1, *(edge // width + 2,) * 3), random, device), edge)


def stretched(coarse: Tensor, edge: int) -> Tensor:
    """Values (…, n, n, n) interpolated to (…, edge, edge, edge), from corner to corner."""
    n = torch.eye(coarse.shape[-1], device=coarse.device)
    weights = F.interpolate(n[None], edge, mode="linear", align_corners=True)[0]  # (n, edge)
    plane = weights.T @ (coarse @ weights)
    return (weights.T @ plane.flatten(-2)).unflatten(-1, (edge, edge))


def sliced(image: Tensor, count: int) -> Tensor:
    """An image as so many slices along its last axis show it, each the mean of what it covers."""
    n = image.shape[-1]
    slices = F.interpolate(torch.eye(n, device=image.device)[None], count, mode="area")
    return image @ F.interpolate(slices, n, mode="linear")[0]


def local_mean(values: Tensor, reach: int) -> Tensor:
    """The mean over the neighbours up to `reach` voxels away along each axis; 0 beyond the ends."""
    width = 2 * reach + 1
    for axis in (-3, -2, -1):
        n, beside = values.shape[axis], [0, 0] * (-1 - axis) + [reach, reach]
        padded = F.pad(values, beside)
        values = sum(padded.narrow(axis, first, n) for first in range(width))
    return values / width**3
