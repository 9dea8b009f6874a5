"""Lesions of a synthetic liver: tumours of many kinds, and hard negatives that resemble them.

Lengths are in voxels of the mean size: a ball takes more voxels along an axis on which they are
flat. Everything is added in place, on the device of the image.
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

from .lesion_kinds import LesionKind
from .noise import local_mean, smooth_noise

MAX_TUMOURS = 8  # in a patch, unless they are small
CYST_MIN_HU = 60  # in darker livers a cyst would look like a tumour


@dataclass(frozen=True, eq=False)
class LiverPatch:
    """A block of a liver, to which lesions are added; each tensor (1, 1, …) with values 0…1."""

    image: Tensor
    liver: Tensor  # soft label: liver with its tumours
    tumour: Tensor  # soft label
    hu: float  # of the liver's own tissue
    window: Sequence[float]  # HU that are 0 and 1 in the image
    voxel: Sequence[float] = (1.0, 1.0, 1.0)  # its sides; their product is 1
    scale: float = 1.0  # a factor on every lesion's size
    phase: str = "portal venous"  # one of `phantom.body.PHASES`

    def grey(self, hu: Tensor) -> Tensor:
        """The grey values of HU."""
        low, high = self.window
        return ((hu - low) / (high - low)).clamp(0, 1)

    @cached_property
    def inside(self) -> Tensor:
        """The voxels (n, 3) that were liver when this was first asked."""
        return (self.liver[0, 0] > 0.9).nonzero()

    def random_voxel(self, random: np.random.Generator) -> list[int]:
        """One of `inside`."""
        return self.inside[int(random.integers(len(self.inside)))].tolist()

    def around(self, centre: list[int], radius: float) -> tuple[Box, list[Tensor]]:
        """The voxels within `radius` of one along each axis, and their offsets from it."""
        box, axes = around(centre, [radius / side for side in self.voxel], self.liver)
        return box, [axis * side for axis, side in zip(axes, self.voxel, strict=True)]


def add_tumours(patch: LiverPatch, random: np.random.Generator) -> None:
    """Adds tumours: few or many, small or large, apart or in clusters; some bulge out.

    Most of a patient's tumours are of one kind. Where there is hardly a liver, none is added.
    """
    inside = patch.inside
    if len(inside) < 500:
        return
    common = LesionKind.sample(patch.hu, random, patch.phase)
    scale, count = _size_and_count(patch.scale, random)
    edge, device = patch.liver.shape[-1], patch.liver.device
    textures = [smooth_noise(edge, width, random, device)[0, 0] for width in (4, 11)]
    centre, clustered = None, random.random() < 0.3
    for _ in range(count):
        candidates = inside[random.integers(len(inside), size=20)]
        if centre is None or not clustered:
            centre = candidates[0]
        else:
            centre = candidates[(candidates - centre).square().sum(1).argmin()]
        radius = max(1.5, scale * float(np.clip(7 * random.lognormal(0, 0.5), 2, 20)))
        alike = random.random() < 0.8
        kind = common if alike else LesionKind.sample(patch.hu, random, patch.phase)
        box, depth = _lobed(patch, centre.tolist(), radius, kind.lobes, random)
        fine, coarse = (texture[box] for texture in textures)
        hu = _lesion_hu(patch.hu, kind, radius, depth, fine, coarse)
        _add_tumour(patch, box, depth, kind, hu)


def _size_and_count(scale: float, random: np.random.Generator) -> tuple[float, int]:
    """A factor on the tumours' radii, and their number."""
    extent = random.random()
    scale = scale * random.lognormal(0, 0.5)
    count = min(int(random.geometric(0.45)), MAX_TUMOURS)
    if extent < 0.2:  # the liver is full of small ones
        return random.uniform(0.3, 0.6) * scale, int(random.integers(MAX_TUMOURS, 3 * MAX_TUMOURS))
    if extent < 0.34:  # one that fills much of it
        return scale * random.uniform(2, 4), 1
    return scale, count


def _lesion_hu(
    liver_hu: float, kind: LesionKind, radius: float, depth: Tensor, fine: Tensor, coarse: Tensor
) -> Tensor:
    """The HU within a tumour, at each depth."""
    least = 8 + 24 / radius  # HU: smaller ones, fainter than that, nobody could label
    strength = math.copysign(max(abs(kind.contrast), least), kind.contrast)
    hu = liver_hu + strength + kind.fine * fine
    if kind.coarse and radius > 8:
        hu += kind.coarse * coarse
    if kind.mosaic and radius > 5:
        hu += kind.mosaic * torch.tanh(2.5 * (coarse if radius > 14 else fine))
    if kind.rim and radius > 4:
        hu += kind.rim * torch.exp(-(((depth - kind.rim_width) / kind.rim_width) ** 2))
    if kind.necrosis is not None and radius > 5:
        hu += ((depth - 0.4 * radius) / 3).clamp(0, 1) * (kind.necrosis - hu)
    if kind.spots and radius > 3:
        hu += kind.spots * (fine - 1.2).clamp(0, 1) * (depth > 1)
    return hu


def _add_tumour(patch: LiverPatch, box: Box, depth: Tensor, kind: LesionKind, hu: Tensor) -> None:
    """Adds one tumour to the liver, or bulging out of it."""
    image, liver, tumour = (
        tensor[0, 0][box] for tensor in (patch.image, patch.liver, patch.tumour)
    )
    within = liver
    if kind.bulge:
        within = torch.maximum(liver, local_mean(liver, kind.bulge).mul(3).clamp(0, 1))
    cover = within * (0.5 + depth / kind.edge).clamp(0, 1)
    image += cover * (patch.grey(hu) - image)
    torch.maximum(tumour, within * (0.5 + depth).clamp(0, 1), out=tumour)
    torch.maximum(liver, tumour, out=liver)


def add_cysts(patch: LiverPatch, random: np.random.Generator) -> None:
    """Adds some balls of water to the liver, which are no tumours."""
    for _ in range(random.integers(1, 4) if len(patch.inside) else 0):
        centre = patch.random_voxel(random)
        radius = patch.scale * float(np.clip(5 * random.lognormal(0, 0.7), 2, 30))
        box, (x, y, z) = patch.around(centre, radius + 1)
        distance = (x.square() + y.square() + z.square()).sqrt()
        _blend(patch, box, (radius - distance + 0.5).clamp(0, 1), random.uniform(-8, 18))


def add_gallbladder(patch: LiverPatch, random: np.random.Generator) -> None:
    """Adds a gallbladder or a loop of bowel, half sunk into the liver's lower face."""
    liver = patch.liver[0, 0]
    face = ((liver[..., 4:] > 0.9) & (liver[..., :-4] < 0.1)).nonzero()
    if not len(face):
        return
    centre = face[int(random.integers(len(face)))].tolist()
    box, depth = _lobed(patch, centre, patch.scale * random.uniform(5, 16), 1, random)
    bowel = patch.hu + random.choice((-1, 1)) * random.uniform(15, 50)
    within = random.uniform(-5, 40) if random.random() < 0.7 else bowel
    hu = within + random.random() * (patch.hu - within) * torch.exp(-(depth**2))  # a wall
    image, liver = patch.image[0, 0][box], liver[box]
    cover = (0.5 + depth).clamp(0, 1)
    image += cover * (patch.grey(hu) - image)
    liver *= 1 - cover


def add_perfusion_patches(patch: LiverPatch, random: np.random.Generator) -> None:
    """Adds broad, faint, edgeless regions of the liver with more fat, or with less blood."""
    for _ in range(random.integers(1, 4) if len(patch.inside) else 0):
        centre = patch.random_voxel(random)
        box, depth = _lobed(patch, centre, patch.scale * random.uniform(7, 24), 1, random)
        cover = (0.5 + depth / (patch.scale * random.uniform(8, 16))).clamp(0, 1)
        _blend(patch, box, random.uniform(0.4, 1) * cover, patch.hu + random.uniform(-20, 15))


def _blend(patch: LiverPatch, box: Box, cover: Tensor, hu: float) -> None:
    """Gives the liver other HU, as far as `cover` (0…1) says."""
    image, liver = patch.image[0, 0][box], patch.liver[0, 0][box]
    image += cover * liver * (patch.grey(torch.tensor(hu)).item() - image)


def _lobed(
    patch: LiverPatch, centre: list[int], radius: float, lobes: int, random: np.random.Generator
) -> tuple[Box, Tensor]:
    """Depth of each voxel of a box in a rough ellipsoid with so many lobes at its side."""
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    box, axes = patch.around(centre, 2.5 * radius + 4)
    depth = rough_ellipsoid(axes, radius, generator)
    for _ in range(lobes):
        direction = random.normal(0, 1, 3)
        offset = (0.9 * radius * direction / np.linalg.norm(direction)).tolist()
        moved = [axis - float(shift) for axis, shift in zip(axes, offset, strict=True)]
        lobe = rough_ellipsoid(moved, radius * random.uniform(0.4, 0.7), generator)
        depth = torch.maximum(depth, lobe)
    return box, depth
