"""Random changes of a batch, on the device it is on: what one patient might have looked like.

Shape first: one random affine (rotation, scale) takes image and shares in a single resampling.
Then grey values: contrast, brightness, gamma, a smooth or a sharp kernel, thick slices, noise.
Never mirrored: the liver lies right.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from liverlib.shapes import Box


def augment(image: Tensor, occupancy: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A changed image (B, 1, D, H, W), values about 0…1, and its shares (B, 2, D, H, W).

    All randomness comes from `random`, a generator on the CPU: equal seeds, equal batches.
    """
    if _chance(0.25, random):  # what costs most: a quarter of the batches
        image, occupancy = warp(image, occupancy, random)
    return grey(image, random), occupancy


def implant(image: Tensor, occupancy: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A made-up tumour somewhere in the liver of each sample that shows enough of one.

    Few patients have few tumours, and a network soon knows each by heart; made-up ones never come
    twice (Hu et al., Label-Free Liver Tumor Segmentation, CVPR 2023). They are lobed, darker or
    brighter than the liver, some with a rim or a dead centre, and keep the image's own noise.
    Their radius is 2 to 20 voxels.
    """
    image, occupancy = image.clone(), occupancy.clone()
    for grey, (liver, tumour) in zip(image[:, 0], occupancy, strict=True):
        sure = liver > 0.9
        inside = sure.nonzero()
        if len(inside) < 500:
            continue
        centre = inside[torch.randint(len(inside), (1,), generator=random).item()].tolist()
        radius = 7 * math.exp(0.5 * torch.randn(1, generator=random).item())
        radius = min(max(2.0, radius), 20.0)
        box, axes = around(centre, [2.5 * radius + 4] * 3, liver)  # no lump is wider
        depth = lump(axes, radius, random)
        brightness = grey[sure].mean()
        grey, liver, tumour = grey[box], liver[box], tumour[box]
        smooth = F.avg_pool3d(grey[None], 3, stride=1, padding=1, count_include_pad=False)[0]
        value = brightness + _tissue(depth, radius, random) + grey - smooth
        cover = liver * (0.5 + depth / _between(1, 4, random)).clamp(0, 1)
        grey += cover * (value - grey)
        torch.maximum(tumour, liver * (0.5 + depth).clamp(0, 1), out=tumour)
    return image, occupancy


def around(centre: list[int], reach: Sequence[float], on: Tensor) -> tuple[Box, list[Tensor]]:
    """The voxels so far around a centre, and how far each is from it along an axis, (n, 1, 1) …"""
    box, axes = [], []
    for axis, (place, far, n) in enumerate(zip(centre, reach, on.shape[-3:], strict=True)):
        low, high = max(0, place - math.ceil(far)), min(n, place + math.ceil(far) + 1)
        box.append(slice(low, high))
        along = torch.arange(low - place, high - place, device=on.device, dtype=torch.float32)
        axes.append(along.reshape([-1 if other == axis else 1 for other in range(3)]))
    return tuple(box), axes


def lump(axes: list[Tensor], radius: float, random: torch.Generator) -> Tensor:
    """How deep each place, so many voxels from the middle along the axes (as `around` gives them),
    lies in an uneven ellipsoid: (D, H, W), in voxels."""
    radii = radius * (0.15 * torch.randn(3, generator=random)).exp()
    x, y, z = axes
    depth = radius * (1 - ((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2).sqrt())
    uneven = _between(0, 0.15, random) * radius
    for _ in range(4):
        k, start = 1.6 / radius * torch.randn(3, generator=random), _between(0, 6.3, random)
        depth = depth + uneven * torch.sin(k[0] * x + k[1] * y + k[2] * z + start)
    return depth


def _tissue(depth: Tensor, radius: float, random: torch.Generator) -> Tensor:
    """How much brighter than liver a tumour is at each depth, in shares of the window."""
    contrast = _between(0.06, 0.26, random) * (-1 if _chance(0.65, random) else 1)
    value = torch.full_like(depth, contrast)
    if _chance(0.25, random):  # a rim
        value += _between(0.05, 0.25, random) * torch.exp(-((depth - 1.5) ** 2))
    if _chance(0.3, random):  # a dead centre
        value -= _between(0.05, 0.2, random) * ((depth - 0.45 * radius) / 3).clamp(0, 1)
    return value


def warp(image: Tensor, occupancy: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rotated by up to 15° about each axis and scaled by 0.8 to 1.25, about the centre."""
    matrices = torch.stack([_affine(random) for _ in range(len(image))]).to(image.device)
    grid = F.affine_grid(matrices, list(image.shape), align_corners=False)
    both = torch.cat([image, occupancy], dim=1)
    both = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
    return both[:, :1], both[:, 1:]


def grey(image: Tensor, random: torch.Generator) -> Tensor:
    """Contrast, brightness and gamma of each sample, then what scanners do to some."""

    def each(low: float, high: float) -> Tensor:
        shape = (len(image), 1, 1, 1, 1)
        return (torch.rand(shape, generator=random) * (high - low) + low).to(image.device)

    image = (image - 0.5) * each(0.8, 1.25) + 0.5 + each(-0.08, 0.08)
    image = image.clamp(0, 1) ** each(0.8, 1.25)
    if _chance(0.2, random):
        smooth = F.avg_pool3d(F.pad(image, (1,) * 6, mode="replicate"), 3, stride=1)
        image = image + each(-0.8, 1) * (smooth - image)  # below 0: away from it, sharper
    if _chance(0.1, random):
        coarse = [round(n * _between(0.5, 1, random)) for n in image.shape[2:]]
        fine = F.interpolate(image, coarse, mode="area")
        image = F.interpolate(fine, image.shape[2:], mode="trilinear")
    if _chance(0.3, random):
        there = torch.Generator(image.device).manual_seed(random.initial_seed())
        noise = torch.randn(image.shape, generator=there, device=image.device)
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


def _between(low: float, high: float, random: torch.Generator) -> float:
    return low + (high - low) * torch.rand(1, generator=random).item()


def _chance(probability: float, random: torch.Generator) -> bool:
    return torch.rand(1, generator=random).item() < probability
