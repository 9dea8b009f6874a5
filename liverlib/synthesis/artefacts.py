"""Artefacts of a scan: table, tubes, metal, motion, thick slices, streaks, shading and noise.

Images are (1, 1, …) with grey values 0…1, `hu_range` HU apart; lengths are in voxels. Clothes and
mattresses are left out: they are darker than what HU windows show as black.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .noise import local_mean, smooth_noise, thick_slices, white_noise


def add_artefacts(
    image: Tensor, liver: Tensor, slice_mm: float, hu_range: float, random: np.random.Generator
) -> Tensor:
    """An image as a scanner might give it.

    No tube lies in `liver`, the soft label; `slice_mm` is the voxels' height. Tubes and clips
    are added in place.
    """
    if random.random() < 0.15:
        add_tubes(image, liver, random)
    if random.random() < 0.06:
        add_clips(image, hu_range, random)
    thickness = random.uniform(1, 7)
    if thickness > 1.2 * slice_mm and random.random() < 0.8:
        count = max(8, math.ceil(image.shape[-1] * slice_mm / thickness))
        image = thick_slices(image, count)
    return image + _scanner_noise(image, hu_range, random)


def _scanner_noise(image: Tensor, hu_range: float, random: np.random.Generator) -> Tensor:
    """Everything that is added to the grey values: noise, streaks, shading and dark bands."""
    edge, device = image.shape[-1], image.device
    level = random.lognormal(math.log(8), 0.6) / hu_range
    noise = white_noise(image.shape, random, device)
    if random.random() < 0.5:
        noise = 2.5 * local_mean(noise, 1)  # coarser, and half as strong
    noise = level * noise
    if random.random() < 0.25:
        strength = random.lognormal(math.log(9), 0.7)
        noise += strength / hu_range * streaks(edge, random, device)
    if random.random() < 0.4:
        strength = random.uniform(2, 9)
        noise += strength / hu_range * smooth_noise(edge, max(edge // 3, 20), random, device)
    if random.random() < 0.3:
        noise -= random.uniform(3, 24) / hu_range * dark_band(edge, random, device)
    if random.random() < 0.2:
        noise += arm_artefacts(edge, random, device) / hu_range
    return noise


def breathe(coordinates: Tensor, spacing: float, random: np.random.Generator) -> None:
    """Moves each slice's coordinates (3, …) back or forth by up to 3 mm, as breathing does.

    Outlines get steps from slice to slice. The coordinates count voxels of `spacing` mm.
    """
    slices = torch.arange(coordinates.shape[-1], device=coordinates.device)
    phase = 2 * math.pi * (slices / random.uniform(6, 24) + random.random())
    coordinates[1] += random.uniform(0.5, 3) / spacing * torch.sin(phase)


def add_tubes(image: Tensor, liver: Tensor, random: np.random.Generator) -> None:
    """Adds some straight bright tubes and cables, and now and then the edge of a table."""
    edge = image.shape[-1]
    x, y, _ = axes = _axes(edge, image.device)
    for _ in range(random.integers(1, 4)):
        direction = random.normal(0, 1, 3) * (1, 1, 2)  # rather along the body
        direction /= np.linalg.norm(direction)
        start = edge * random.uniform(-0.5, 0.5, 3)
        dx, dy, dz = (axis - float(middle) for axis, middle in zip(axes, start, strict=True))
        a, b, c = direction.tolist()
        along = dx * a + dy * b + dz * c
        squared = dx.square() + dy.square() + dz.square() - along.square()
        distance = squared.clamp(min=0).sqrt()
        _cover(image, liver, random.uniform(0.7, 2.5) - distance, random.uniform(0.5, 1))
    if random.random() < 0.4:
        behind = random.uniform(0, 4) - edge / 2 + random.uniform(0, 2e-3) * x.square()
        _cover(image, liver, random.uniform(0.5, 1.5) - (y - behind).abs(), random.random())


def _cover(image: Tensor, liver: Tensor, depth: Tensor, grey: float) -> None:
    """Gives the image a grey value where it is deep enough in a shape, outside the liver."""
    image += (depth + 0.5).clamp(0, 1) * (1 - liver) * (grey - image)


def add_clips(image: Tensor, hu_range: float, random: np.random.Generator) -> None:
    """Adds some metal clips close to each other, with bright and dark rays in their slices."""
    edge = image.shape[-1]
    middle = edge * random.uniform(0.2, 0.8, 3)
    for _ in range(random.integers(1, 5)):
        centre = middle + random.normal(0, 5, 3)
        axes = zip(_axes(edge, image.device), centre, strict=True)
        x, y, z = (axis + edge / 2 - float(at) for axis, at in axes)
        distance = (x.square() + y.square()).sqrt()
        strength = random.uniform(20, 150) / hu_range
        rays = torch.cos(int(random.integers(2, 9)) * torch.atan2(y, x) + random.uniform(0, 6))
        image += strength * rays / (1 + 16 * distance / edge) * torch.exp(-z.square())
        depth = random.uniform(0.6, 2) + 0.5 - (distance.square() + z.square()).sqrt()
        image += depth.clamp(0, 1) * (1 - image)


def _axes(edge: int, device: torch.device | str) -> list[Tensor]:
    """The voxels' offsets from the middle of a block along each axis, (edge, 1, 1) and so on."""
    line = torch.arange(edge, device=device) - edge / 2
    return [line.view([-1 if n == axis else 1 for n in range(3)]) for axis in range(3)]


def streaks(
    edge: int,
    random: np.random.Generator,
    device: torch.device | str = "cpu",
    sideways: float = 0.6,
) -> Tensor:
    """Streaks (1, 1, edge³) of about unit variance that run, in each slice, from one point.

    Those of metal and bone fan out; those of arms beside the body are parallel, and run from one
    side of it to the other in this fraction of draws, `sideways`.
    """
    source = edge * random.uniform(0.35, 3)  # from the middle of the block
    lateral = math.pi * random.integers(2) + random.normal(0, 0.3)
    angle = lateral if random.random() < sideways else random.uniform(-math.pi, math.pi)
    middle = torch.arange(edge, device=device) - edge / 2
    x, y = torch.meshgrid(middle, middle, indexing="ij")
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    width, height = 2.5 * random.lognormal(0, 0.8), random.uniform(2, 20)  # voxels
    ray = torch.atan2(across, along + source) / math.pi + 1  # 0…2 around the source
    position = ray * (math.pi * source / width)
    count = (edge // int(height) + 2, int(2 * math.pi * source / width) + 2)
    coarse = white_noise((1, 1, *count), random, device)
    rays = F.interpolate(coarse, (edge, count[1]), mode="bilinear")[0, 0]  # (z, position)
    first, part = position.long(), position.frac()
    streak = rays[:, first] * (1 - part) + rays[:, first + 1] * part
    return 1.4 * streak.permute(1, 2, 0)[None, None]


def arm_artefacts(
    edge: int, random: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """What arms beside the body do to the slices, (1, 1, edge³) in HU: darker between them.

    Few rays pass through both arms, and soft ones least: hence the shade and the streaks.
    """
    depth, strength = random.uniform(5, 45), random.lognormal(math.log(9), 0.7)
    lines = strength * streaks(edge, random, device, sideways=1)
    return dark_band(edge, random, device, breadth=2.5) * (lines - depth)


def dark_band(
    edge: int,
    random: np.random.Generator,
    device: torch.device | str = "cpu",
    breadth: float = 1,
) -> Tensor:
    """A broad band (1, 1, edge³) straight through every slice, 1 in its middle.

    Where both arms or both hips lie in the beam it hardens, and everything between them darkens.
    """
    angle = random.normal(0, 0.15) if random.random() < 0.8 else random.uniform(-1.6, 1.6)
    x, y, z = _axes(edge, device)
    across = y * math.cos(angle) - x * math.sin(angle) + random.normal(0, 0.15) * z
    middle, width = edge * random.uniform(-0.5, 0.5), breadth * edge * random.uniform(0.04, 0.2)
    return torch.exp(-(((across - middle) / width) ** 2))[None, None]
