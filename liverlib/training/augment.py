"""Random changes of a batch, on the device it is on: what one patient might have looked like.

Shape first: one random affine (rotation, scale) takes image and soft labels in a single resampling.
Then grey values: contrast, brightness, gamma, a smooth or a sharp kernel, thick slices, noise.
Never mirrored: the liver lies right.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from liverlib.core.random import around, between, chance, rough_ellipsoid


def augment(image: Tensor, soft_labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A changed image (B, 1, D, H, W), values about 0…1, and its soft labels (B, 2, D, H, W).

    All randomness comes from `random`, a generator on the CPU: equal seeds, equal batches.
    """
    if chance(0.25, random):  # what costs most: a quarter of the batches
        image, soft_labels = warp(image, soft_labels, random)
    return change_grey_values(image, random), soft_labels


def implant(image: Tensor, soft_labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A synthetic tumour somewhere in the liver of each sample that shows enough of one.

    Few patients have few tumours, and a network soon knows each by heart; synthetic ones never come
    twice (Hu et al., Label-Free Liver Tumor Segmentation, CVPR 2023). They are lobed, darker or
    brighter than the liver, some with a rim or a dead centre, and keep the image's own noise.
    Their radius is 2 to 20 voxels.
    """
    image, soft_labels = image.clone(), soft_labels.clone()
    for grey, (liver, tumour) in zip(image[:, 0], soft_labels, strict=True):
        solid = liver > 0.9
        inside = solid.nonzero()
        if len(inside) < 500:
            continue
        centre = inside[torch.randint(len(inside), (1,), generator=random).item()].tolist()
        radius = 7 * math.exp(0.5 * torch.randn(1, generator=random).item())
        radius = min(max(2.0, radius), 20.0)
        box, axes = around(centre, [2.5 * radius + 4] * 3, liver)  # no lesion is wider
        depth = rough_ellipsoid(axes, radius, random)
        brightness = grey[solid].mean()
        grey, liver, tumour = grey[box], liver[box], tumour[box]
        smooth = F.avg_pool3d(grey[None], 3, stride=1, padding=1, count_include_pad=False)[0]
        value = brightness + _tissue(depth, radius, random) + grey - smooth
        cover = liver * (0.5 + depth / between(1, 4, random)).clamp(0, 1)
        grey += cover * (value - grey)
        torch.maximum(tumour, liver * (0.5 + depth).clamp(0, 1), out=tumour)
    return image, soft_labels


def _tissue(depth: Tensor, radius: float, random: torch.Generator) -> Tensor:
    """How much brighter than liver a tumour is at each depth, in parts of the window."""
    contrast = between(0.06, 0.26, random) * (-1 if chance(0.65, random) else 1)
    value = torch.full_like(depth, contrast)
    if chance(0.25, random):  # a rim
        value += between(0.05, 0.25, random) * torch.exp(-((depth - 1.5) ** 2))
    if chance(0.3, random):  # a dead centre
        value -= between(0.05, 0.2, random) * ((depth - 0.45 * radius) / 3).clamp(0, 1)
    return value


def warp(image: Tensor, soft_labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rotated by up to 15° about each axis and scaled by 0.8 to 1.25, about the centre."""
    matrices = torch.stack([_affine(random) for _ in range(len(image))]).to(image.device)
    grid = F.affine_grid(matrices, list(image.shape), align_corners=False)
    both = torch.cat([image, soft_labels], dim=1)
    both = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
    return both[:, :1], both[:, 1:]


def change_grey_values(image: Tensor, random: torch.Generator) -> Tensor:
    """Contrast, brightness and gamma of each sample, then what scanners do to some."""

    def each(low: float, high: float) -> Tensor:
        shape = (len(image), 1, 1, 1, 1)
        return (torch.rand(shape, generator=random) * (high - low) + low).to(image.device)

    image = (image - 0.5) * each(0.8, 1.25) + 0.5 + each(-0.08, 0.08)
    image = image.clamp(0, 1) ** each(0.8, 1.25)
    if chance(0.2, random):
        smooth = F.avg_pool3d(F.pad(image, (1,) * 6, mode="replicate"), 3, stride=1)
        image = image + each(-0.8, 1) * (smooth - image)  # below 0: away from it, sharper
    if chance(0.1, random):
        coarse = [round(n * between(0.5, 1, random)) for n in image.shape[2:]]
        fine = F.interpolate(image, coarse, mode="area")
        image = F.interpolate(fine, image.shape[2:], mode="trilinear")
    if chance(0.3, random):
        generator = torch.Generator(image.device).manual_seed(random.initial_seed())
        noise = torch.randn(image.shape, generator=generator, device=image.device)
        image = image + noise * each(0, 0.06)
    return image


def _affine(random: torch.Generator) -> Tensor:
    """(3, 4): where each output voxel looks in the input, in units of half the patch."""
    angles = (torch.rand(3, generator=random) * 2 - 1) * math.radians(15)
    scale = math.exp((torch.rand(1, generator=random).item() * 2 - 1) * math.log(1.25))
    turn = torch.eye(3)
    for axis, angle in enumerate(angles.tolist()):
        i, j = [other for other in range(3) if other != axis]
        about_axis = torch.eye(3)
        about_axis[i, i] = about_axis[j, j] = math.cos(angle)
        about_axis[i, j], about_axis[j, i] = -math.sin(angle), math.sin(angle)
        turn = turn @ about_axis
    return torch.cat([turn * scale, torch.zeros(3, 1)], dim=1)
