"""What a drawn liver holds: tumours of many kinds, and what only looks like one.

Lengths are in voxels of the mean size: where voxels are flat, a ball takes more of them upwards.
Everything is drawn in place, on the device of the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from liverlib.core.arrays import Box
from liverlib.core.random import around, rough_ellipsoid

from .noise import local_mean, smooth

MOST = 8  # tumours in a window, unless they are small
WATERY = 75  # HU: in darker livers a cyst would look like a tumour


@dataclass(frozen=True, eq=False)
class Liver:
    """What is drawn on, each tensor (1, 1, …) with values 0…1."""

    image: Tensor
    share: Tensor  # of each voxel that is liver, its tumours included
    tumour: Tensor  # of each voxel that is tumour
    hu: float  # of the liver's own tissue
    window: Sequence[float]  # HU that are 0 and 1 in the image
    voxel: Sequence[float] = (1.0, 1.0, 1.0)  # its sides, in shares of the mean one's
    scale: float = 1.0  # a factor on what is drawn

    def grey(self, hu: Tensor) -> Tensor:
        """The grey value of HU."""
        low, high = self.window
        return ((hu - low) / (high - low)).clamp(0, 1)

    @cached_property
    def inside(self) -> Tensor:
        """The voxels (n, 3) that are liver, at first."""
        return (self.share[0, 0] > 0.9).nonzero()

    def around(self, centre: list[int], reach: float) -> tuple[Box, list[Tensor]]:
        """The voxels so far around a centre, and how far they lie from it along each axis."""
        box, axes = around(centre, [reach / side for side in self.voxel], self.share)
        return box, [axis * side for axis, side in zip(axes, self.voxel, strict=True)]


@dataclass(frozen=True)
class Kind:
    """How tumours look, in HU and voxels; those of one patient tend to be alike."""

    contrast: float  # to the liver
    edge: float  # over which that fades
    fine: float  # unevenness within, of small features
    coarse: float  # and, in large tumours, of large ones
    rim: float
    width: float  # of the rim
    dead: float | None  # the HU of a dead centre
    chalk: float  # brightness of calcified spots
    lobes: int
    bulge: int  # how far it may grow out of the liver

    @classmethod
    def any(cls, liver: float, random: np.random.Generator) -> "Kind":
        """One at random, in a liver of so many HU."""
        size = float(np.clip(random.lognormal(math.log(25), 0.55), 8, 75))
        bright = random.random() < (0.3 if liver > 45 else 0.5)
        return cls(
            contrast=size if bright else -min(size, max(liver + 5, 12)),
            edge=random.uniform(1, 4.5),
            fine=random.uniform(0, 12) * (random.random() < 0.6),
            coarse=random.uniform(8, 30) * (random.random() < 0.5),
            rim=random.uniform(-15, 50) * (random.random() < 0.35),
            width=random.uniform(1, 3),
            dead=random.uniform(0, 35) if random.random() < 0.3 else None,
            chalk=random.uniform(80, 400) * (random.random() < 0.05),
            lobes=int(random.integers(0, 4)) * (random.random() < 0.5),
            bulge=int(random.integers(2, 5)) * (random.random() < 0.3),
        )


def draw_tumours(on: Liver, random: np.random.Generator) -> None:
    """Tumours, which may bulge out of the liver: few or many, small or large, apart or in heaps.
    None where there is hardly a liver."""
    inside = on.inside
    if len(inside) < 500:
        return
    kind, dice = Kind.any(on.hu, random), random.random()
    scale, count = on.scale * random.lognormal(0, 0.5), min(int(random.geometric(0.45)), MOST)
    if dice < 0.2:  # the liver is full of small ones
        scale, count = random.uniform(0.3, 0.6) * scale, int(random.integers(MOST, 3 * MOST))
    elif dice < 0.3:  # one that fills much of it
        scale, count = scale * random.uniform(2, 4), 1
    edge, device = on.share.shape[-1], on.share.device
    textures = [smooth(edge, width, random, device)[0, 0] for width in (4, 11)]
    centre, heaped = None, random.random() < 0.3
    for _ in range(count):
        places = inside[random.integers(len(inside), size=20)]
        if centre is None or not heaped:
            centre = places[0]
        else:
            centre = places[(places - centre).square().sum(1).argmin()]
        radius = max(1.5, scale * float(np.clip(7 * random.lognormal(0, 0.5), 2, 20)))
        own = kind if random.random() < 0.8 else Kind.any(on.hu, random)
        box, depth = _lobed(on, centre.tolist(), radius, own.lobes, random)
        fine, coarse = (texture[box] for texture in textures)
        _grow(on, box, depth, own, _tissue(on.hu, own, radius, depth, fine, coarse))


def _tissue(
    liver: float, kind: Kind, radius: float, depth: Tensor, fine: Tensor, coarse: Tensor
) -> Tensor:
    """The HU within a tumour, at each depth."""
    least = 8 + 24 / radius  # HU: smaller ones, fainter than that, nobody could label
    strength = math.copysign(max(abs(kind.contrast), least), kind.contrast)
    hu = liver + strength + kind.fine * fine
    if kind.coarse and radius > 8:
        hu += kind.coarse * coarse
    if kind.rim and radius > 4:
        hu += kind.rim * torch.exp(-(((depth - kind.width) / kind.width) ** 2))
    if kind.dead is not None and radius > 5:
        hu += ((depth - 0.4 * radius) / 3).clamp(0, 1) * (kind.dead - hu)
    if kind.chalk and radius > 3:
        hu += kind.chalk * (fine - 1.2).clamp(0, 1) * (depth > 1)
    return hu


def _grow(on: Liver, box: Box, depth: Tensor, kind: Kind, hu: Tensor) -> None:
    """Puts a tumour where it is deep enough, in the liver or bulging out of it."""
    image, share, tumour = (one[0, 0][box] for one in (on.image, on.share, on.tumour))
    within = share
    if kind.bulge:
        within = torch.maximum(share, local_mean(share, kind.bulge).mul(3).clamp(0, 1))
    cover = within * (0.5 + depth / kind.edge).clamp(0, 1)
    image += cover * (on.grey(hu) - image)
    torch.maximum(tumour, within * (0.5 + depth).clamp(0, 1), out=tumour)
    torch.maximum(share, tumour, out=share)


def draw_cysts(on: Liver, random: np.random.Generator) -> None:
    """Some balls of water in the liver, which are no tumours."""
    for _ in range(random.integers(1, 4) if len(on.inside) else 0):
        centre = on.inside[int(random.integers(len(on.inside)))].tolist()
        radius = on.scale * float(np.clip(5 * random.lognormal(0, 0.7), 2, 30))
        box, axes = on.around(centre, radius + 1)
        apart = sum(axis.square() for axis in axes).sqrt()
        _blend(on, box, (radius - apart + 0.5).clamp(0, 1), random.uniform(-8, 18))


def draw_gallbladder(on: Liver, random: np.random.Generator) -> None:
    """A gallbladder, or a loop of bowel, half sunk into the liver's lower face: no part of it."""
    share = on.share[0, 0]
    face = ((share[..., 4:] > 0.9) & (share[..., :-4] < 0.1)).nonzero()
    if not len(face):
        return
    centre = face[int(random.integers(len(face)))].tolist()
    box, depth = _lobed(on, centre, on.scale * random.uniform(5, 16), 1, random)
    bowel = on.hu + random.choice((-1, 1)) * random.uniform(15, 50)
    within = random.uniform(-5, 40) if random.random() < 0.7 else bowel
    hu = within + random.random() * (on.hu - within) * torch.exp(-(depth**2))  # a wall
    image, share = on.image[0, 0][box], share[box]
    cover = (0.5 + depth).clamp(0, 1)
    image += cover * (on.grey(hu) - image)
    share *= 1 - cover


def draw_patches(on: Liver, random: np.random.Generator) -> None:
    """Parts of the liver with more fat than the rest, or less blood: broad, faint, without edge."""
    for _ in range(random.integers(1, 4) if len(on.inside) else 0):
        centre = on.inside[int(random.integers(len(on.inside)))].tolist()
        box, depth = _lobed(on, centre, on.scale * random.uniform(7, 24), 1, random)
        cover = (0.5 + depth / (on.scale * random.uniform(8, 16))).clamp(0, 1)
        _blend(on, box, random.uniform(0.4, 1) * cover, on.hu + random.uniform(-20, 15))


def _blend(on: Liver, box: Box, cover: Tensor, hu: float) -> None:
    """Gives the liver other HU, where and as far as `cover` says."""
    image, share = on.image[0, 0][box], on.share[0, 0][box]
    image += cover * share * (on.grey(torch.tensor(hu)).item() - image)


def _lobed(
    on: Liver, centre: list[int], radius: float, lobes: int, random: np.random.Generator
) -> tuple[Box, Tensor]:
    """How deep the places of a box lie in a lump with so many lobes beside its middle."""
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    box, axes = on.around(centre, 2.5 * radius + 4)
    depth = rough_ellipsoid(axes, radius, generator)
    for _ in range(lobes):
        way = random.normal(0, 1, 3)
        away = (0.9 * radius * way / np.linalg.norm(way)).tolist()
        moved = [axis - float(one) for axis, one in zip(axes, away, strict=True)]
        depth = torch.maximum(
            depth, rough_ellipsoid(moved, radius * random.uniform(0.4, 0.7), generator)
        )
    return box, depth
