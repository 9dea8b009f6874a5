"""What a scan shows beside a patient: the table, tubes, metal, movement, thick slices, noise.

Images are (1, 1, …) with grey values 0…1, `width` HU apart; lengths are in voxels. Clothes and
mattresses are not drawn: they are darker than what the windows show as black.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .noise import local_mean, sliced, smooth, white


def scanned(
    image: Tensor, share: Tensor, slice_mm: float, width: float, random: np.random.Generator
) -> Tensor:
    """An image as a scanner might give it; `share` is the liver's, in which no tube lies, and
    `slice_mm` the voxels' height. Tubes and clips are drawn in place."""
    edge = image.shape[-1]
    if random.random() < 0.15:
        draw_tubes(image, share, random)
    if random.random() < 0.06:
        draw_clips(image, width, random)
    thick = random.uniform(1, 7)
    if thick > 1.2 * slice_mm and random.random() < 0.8:
        count = max(8, math.ceil(edge * slice_mm / thick))
        image = sliced(image, count)
    level, device = random.lognormal(math.log(8), 0.6) / width, image.device
    noise = white(image.shape, random, device)
    if random.random() < 0.5:
        noise = 2.5 * local_mean(noise, 1)  # coarser, and half as strong
    noise = level * noise
    if random.random() < 0.25:
        noise += random.lognormal(math.log(9), 0.7) / width * streaks(edge, random, device)
    if random.random() < 0.4:
        noise += random.uniform(2, 9) / width * smooth(edge, max(edge // 3, 20), random, device)
    if random.random() < 0.3:
        noise -= random.uniform(3, 24) / width * band(edge, random, device)
    if random.random() < 0.2:
        noise += arms(edge, random, device) / width
    return image + noise


def breathe(places: Tensor, spacing: float, random: np.random.Generator) -> None:
    """Moves the places (3, …) of each slice back or forth, by 3 mm at most, against those of the
    next: as where a patient breathes, an outline has steps. They count voxels of `spacing` mm."""
    slices = torch.arange(places.shape[-1], device=places.device)
    turns = 2 * math.pi * (slices / random.uniform(6, 24) + random.random())
    places[1] += random.uniform(0.5, 3) / spacing * torch.sin(turns)


def draw_tubes(image: Tensor, share: Tensor, random: np.random.Generator) -> None:
    """Some tubes and cables, straight and bright, and now and then the edge of a table."""
    edge = image.shape[-1]
    x, y, _ = axes = _axes(edge, image.device)
    for _ in range(random.integers(1, 4)):
        way = random.normal(0, 1, 3) * (1, 1, 2)  # rather along the body
        way /= np.linalg.norm(way)
        start = edge * random.uniform(-0.5, 0.5, 3)
        apart = [axis - float(one) for axis, one in zip(axes, start, strict=True)]
        along = sum(axis * float(one) for axis, one in zip(apart, way, strict=True))
        far = (sum(axis.square() for axis in apart) - along.square()).clamp(min=0).sqrt()
        _cover(image, share, random.uniform(0.7, 2.5) - far, random.uniform(0.5, 1))
    if random.random() < 0.4:
        behind = random.uniform(0, 4) - edge / 2 + random.uniform(0, 2e-3) * x.square()
        _cover(image, share, random.uniform(0.5, 1.5) - (y - behind).abs(), random.random())


def _cover(image: Tensor, share: Tensor, depth: Tensor, grey: float) -> None:
    """Puts something of a grey value where it is deep enough, and no liver is."""
    image += (depth + 0.5).clamp(0, 1) * (1 - share) * (grey - image)


def draw_clips(image: Tensor, width: float, random: np.random.Generator) -> None:
    """Some clips of metal close to each other, with bright and dark rays in their slices."""
    edge = image.shape[-1]
    middle = edge * random.uniform(0.2, 0.8, 3)
    for _ in range(random.integers(1, 5)):
        x, y, z = (
            axis + edge / 2 - float(one)
            for axis, one in zip(
                _axes(edge, image.device), middle + random.normal(0, 5, 3), strict=True
            )
        )
        far, strength = (x.square() + y.square()).sqrt(), random.uniform(20, 150) / width
        rays = torch.cos(int(random.integers(2, 9)) * torch.atan2(y, x) + random.uniform(0, 6))
        image += strength * rays / (1 + 16 * far / edge) * torch.exp(-z.square())
        clip = (random.uniform(0.6, 2) + 0.5 - (far.square() + z.square()).sqrt()).clamp(0, 1)
        image += clip * (1 - image)


def _axes(edge: int, device: torch.device | str) -> list[Tensor]:
    """How far the places of a window lie from its middle, along each axis."""
    line = torch.arange(edge, device=device) - edge / 2
    return [line.view([-1 if n == axis else 1 for n in range(3)]) for axis in range(3)]


def streaks(
    edge: int,
    random: np.random.Generator,
    device: torch.device | str = "cpu",
    sideways: float = 0.6,
) -> Tensor:
    """Streaks (1, 1, …) of about unit variance that run, in a slice, from one point.

    Those of metal and of bone fan out; those of arms beside the body lie side by side, and run,
    as that share of draws, from one side of it to the other.
    """
    far = edge * random.uniform(0.35, 3)  # from the middle of the window
    beside = math.pi * random.integers(2) + random.normal(0, 0.3)
    way = beside if random.random() < sideways else random.uniform(-math.pi, math.pi)
    middle = torch.arange(edge, device=device) - edge / 2
    x, y = torch.meshgrid(middle, middle, indexing="ij")
    along, across = x * math.cos(way) + y * math.sin(way), y * math.cos(way) - x * math.sin(way)
    wide, high = 2.5 * random.lognormal(0, 0.8), random.uniform(2, 20)  # voxels
    place = (torch.atan2(across, along + far) / math.pi + 1) * (math.pi * far / wide)
    count = (edge // int(high) + 2, int(2 * math.pi * far / wide) + 2)
    coarse = white((1, 1, *count), random, device)
    found = F.interpolate(coarse, (edge, count[1]), mode="bilinear")[0, 0]  # (z, place)
    first, part = place.long(), place.frac()
    streak = found[:, first] * (1 - part) + found[:, first + 1] * part
    return 1.4 * streak.permute(1, 2, 0)[None, None]


def arms(edge: int, random: np.random.Generator, device: torch.device | str = "cpu") -> Tensor:
    """What arms beside the body do to the slices, (1, 1, …) in HU: too few of the rays that pass
    through both arrive, and soft ones least, so it is darker between the arms, and streaked."""
    depth, strength = random.uniform(5, 45), random.lognormal(math.log(9), 0.7)
    lines = strength * streaks(edge, random, device, sideways=1)
    return band(edge, random, device, broad=2.5) * (lines - depth)


def band(
    edge: int,
    random: np.random.Generator,
    device: torch.device | str = "cpu",
    broad: float = 1,
) -> Tensor:
    """A broad band (1, 1, …) straight through every slice, 1 in its middle: where both arms or
    both hips lie in the beam it is hardened, and what is between them looks darker."""
    way = random.normal(0, 0.15) if random.random() < 0.8 else random.uniform(-1.6, 1.6)
    x, y, z = _axes(edge, device)
    across = y * math.cos(way) - x * math.sin(way) + random.normal(0, 0.15) * z
    middle, wide = edge * random.uniform(-0.5, 0.5), broad * edge * random.uniform(0.04, 0.2)
    return torch.exp(-(((across - middle) / wide) ** 2))[None, None]
