"""Scans drawn from anatomies while a network learns, on its device, never twice the same.

A network that has seen every shape, contrast and noise takes a real scan for one more variation
(Billot et al., SynthSeg, Medical Image Analysis 2023). Each draw turns and bends an anatomy,
chooses the field of view, gives every tissue another grey value, adds tumours and what only looks
like one, and then what a scanner adds. Only the window that is looked at is drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from liverlib.augment import implant
from liverlib.cube import MARGIN_MM, CubeSettings
from liverlib.presets import TrainSettings

TUMOURS = {"body": 0.5, "liver": 0.85}  # their size in a cube: `implant`'s scale
# Places within a voxel, in shares of it, whose mean it shows: the corners of a tetrahedron.
WITHIN = ((-0.25, -0.25, -0.25), (0.25, 0.25, -0.25), (0.25, -0.25, 0.25), (-0.25, 0.25, 0.25))
MOST_TUMOURS = 8  # in a window


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One file's arrays on a device; places in voxels of the map."""

    tissue: Tensor
    table: np.ndarray
    liver: np.ndarray
    body: np.ndarray


class Rendered:
    """Windows of cubes of anatomies; what the nth draw shows depends on the seed and n alone.

    Takes the place of `windows.Windows`: `cube` says what the cubes cover, `settings` how large
    the windows are and how often they lie in a liver.
    """

    lesions = True  # some are drawn

    def __init__(
        self,
        paths: Sequence[Path],
        spacing: float,
        cube: CubeSettings,
        settings: TrainSettings,
        device: torch.device | str = "cpu",
    ) -> None:
        self.paths, self.spacing, self.cube = list(paths), spacing, cube
        self.settings, self.device = settings, device
        self.edge = min(settings.window or cube.size, cube.size)
        self.kept: dict[int, Anatomy] = {}

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and occupancy (n, 2, …) of so many draws, both uint8 as in cubes."""
        images, occupancies = zip(*map(self._draw, draws), strict=True)
        return torch.cat(images), torch.cat(occupancies)

    def _draw(self, draw: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.settings.seed, draw])
        round_, place = divmod(draw, len(self.paths))
        order = np.random.default_rng([self.settings.seed, round_, 1]).permutation(len(self.paths))
        anatomy = self._anatomy(int(order[place]))
        pose = Pose(anatomy, self.spacing, random)
        low, high = box(pose, self.cube.crop, random)
        voxel = (high - low) / self.cube.size
        start = self._start(pose, low, voxel, random)
        places = pose.places(low + start * voxel, voxel, self.edge, self.device)
        hu, unevenness, liver = tissues(anatomy.table, random)
        own = level = float(hu[parenchyma(anatomy.table)])
        level += random.normal(0, 3) - random.uniform(0, 20) * (random.random() < 0.15)
        window = [edge + level * (self.cube.crop == "liver") for edge in self.cube.window]
        image, share = self._seen(anatomy, places, voxel, (hu, unevenness, liver), window, random)
        if own > 75 and random.random() < 0.15:
            image = cysts(image, share, window, random)
        image, tumour = self._tumours(image, share, random)
        image = scanned(image, voxel[2], (window[1] - window[0]), random)
        both = torch.cat([share, tumour], 1)
        return tuple((x.clamp(0, 1) * 255).round().to(torch.uint8) for x in (image, both))

    def _anatomy(self, n: int) -> Anatomy:
        if n not in self.kept:
            with safe_open(self.paths[n], "pt") as file:
                tissue = file.get_tensor("tissue").to(self.device)
                arrays = (file.get_tensor(name).numpy() for name in ("table", "liver", "body"))
                self.kept[n] = Anatomy(tissue, *arrays)
        return self.kept[n]

    def _start(self, pose: "Pose", low: np.ndarray, voxel: np.ndarray, random) -> np.ndarray:
        """The window's first voxel in the cube."""
        most = self.cube.size - self.edge
        if random.random() < self.settings.tumour + self.settings.liver and len(pose.liver):
            inside = (pose.liver - low) / voxel
            inside = inside[((inside > 0) & (inside < self.cube.size)).all(1)]
            if len(inside):
                jitter = random.integers(-self.edge // 4, self.edge // 4 + 1, 3)
                return np.clip(np.rint(random.choice(inside)) + jitter - self.edge // 2, 0, most)
        return random.integers(0, most + 1, 3)

    def _seen(
        self,
        anatomy: Anatomy,
        places: Tensor,
        voxel: np.ndarray,
        tissues: tuple[np.ndarray, np.ndarray, np.ndarray],
        window: Sequence[float],
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Grey values 0…1 and the liver's share, (1, 1, …) each, of voxels around `places`."""
        hu, unevenness, liver = (torch.from_numpy(one).to(self.device) for one in tissues)
        texture = smooth(self.edge, 3, random).to(self.device)[0, 0]
        low, high = window
        shape, flat = anatomy.tissue.shape, anatomy.tissue.flatten()
        grey, share = torch.zeros(places.shape[1:]), torch.zeros(places.shape[1:])
        for within in WITHIN:
            at = [
                (axis + float(part * mm / self.spacing)).round_().clamp_(0, n - 1).long()
                for axis, part, mm, n in zip(places, within, voxel, shape, strict=True)
            ]
            found = flat[(at[0] * shape[1] + at[1]) * shape[2] + at[2]].int()
            value = hu[found] + unevenness[found] * texture
            grey += value.sub_(low).div_(high - low).clamp_(0, 1)
            share += liver[found]
        return grey[None, None] / len(WITHIN), share[None, None] / len(WITHIN)

    def _tumours(
        self, image: Tensor, share: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """The image with tumours, in two of three, and their share."""
        both = torch.cat([share, torch.zeros_like(share)], 1)
        if random.random() < 0.67:
            generator = torch.Generator().manual_seed(int(random.integers(2**62)))
            scale = TUMOURS[self.cube.crop] * random.lognormal(0, 0.5)
            for _ in range(min(random.geometric(0.45), MOST_TUMOURS)):
                image, both = implant(image, both, generator, scale)
        return image, both[:, 1:]


class Pose:
    """How an anatomy is turned and bent: from the patient's mm to the map's voxels and back.

    `liver` and `body` (m, 3) are the anatomy's places in the patient's mm.
    """

    def __init__(self, anatomy: Anatomy, spacing: float, random: np.random.Generator) -> None:
        self.spacing, self.extent = spacing, spacing * np.array(anatomy.tissue.shape)
        self.centre = self.extent / 2
        turn, _ = np.linalg.qr(np.eye(3) + random.normal(0, 0.07, (3, 3)))
        self.turn = turn * np.sign(np.diag(turn))
        size = random.uniform(0, 1.6)  # of the bending
        self.field = size * _field(random)
        self.liver, self.body = (self._back(one * spacing) for one in (anatomy.liver, anatomy.body))

    def places(
        self, start: np.ndarray, voxel: np.ndarray, edge: int, device: torch.device | str
    ) -> Tensor:
        """Where a block of edge³ voxels from `start` on (mm) lies in the map: (3, …), in voxels."""
        axes = [
            torch.arange(edge, device=device).add(0.5).mul(float(mm)).add(float(low))
            for low, mm in zip(start, voxel, strict=True)
        ]
        mm = torch.stack(torch.meshgrid(*axes, indexing="ij"))  # (3, …)
        moved = self._bent(mm.permute(1, 2, 3, 0)[None]).to(device)[0]
        apart = mm - torch.tensor(self.centre, dtype=torch.float32, device=device).view(3, 1, 1, 1)
        turn = torch.tensor(self.turn, dtype=torch.float32, device=device)
        mm = torch.einsum("ij,jxyz->ixyz", turn, apart)
        mm += torch.tensor(self.centre, dtype=torch.float32, device=device).view(3, 1, 1, 1)
        return (mm + moved) / self.spacing - 0.5

    def _bent(self, mm: Tensor) -> Tensor:
        """Displacements (1, 3, …) in mm at places (1, …, 3) of the patient."""
        extent = torch.tensor(self.extent, dtype=torch.float32, device=mm.device)
        at = (mm / extent * 2 - 1).flip(-1)
        field = self.field.to(mm.device)
        return F.grid_sample(field, at, padding_mode="border", align_corners=True)

    def _back(self, places: np.ndarray) -> np.ndarray:
        """Places of the map, in mm, where they lie in the patient: to a millimetre or two."""
        found = places
        for _ in range(3):
            at = torch.from_numpy(found.astype(np.float32))[None, :, None, None]
            moved = self._bent(at)[0, :, :, 0, 0].T.numpy()
            found = (places - moved - self.centre) @ self.turn + self.centre
        return found


def _field(random: np.random.Generator) -> Tensor:
    """Smooth displacements of about 10 mm, (1, 3, 16, 16, 16) over a map's extent."""
    broad, fine = (
        torch.from_numpy(random.standard_normal((1, 3, n, n, n), np.float32)) for n in (4, 9)
    )
    return sum(
        mm * F.interpolate(one, (16,) * 3, mode="trilinear", align_corners=True)
        for mm, one in ((9.0, broad), (3.0, fine))
    )


def box(pose: Pose, crop: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What a cube covers, from and to, in the patient's mm: the body, or the liver with a margin.

    The scan reaches from chest to pelvis, or just around the liver, or cuts its dome or its tip.
    """
    low, high = pose.body[:, 2].min(), pose.body[:, 2].max()
    liver = pose.liver if len(pose.liver) else pose.body
    tip, dome = np.quantile(liver[:, 2], (0.002, 0.998))
    kind = random.random()
    if kind < 0.65:
        low = max(low, tip - random.uniform(3, 110))
        high = min(high, dome + random.uniform(3, 60))
    if kind < 0.1:
        low = tip + random.uniform(0, 0.35) * (dome - tip)
    elif kind < 0.2:
        high = dome - random.uniform(0, 0.3) * (dome - tip)
    shown, margin = pose.body, 7.0
    if crop == "liver":
        shown, margin = liver, MARGIN_MM
    shown = shown[(shown[:, 2] >= low) & (shown[:, 2] <= high)]
    first = shown.min(0) - margin - random.normal(0, 3, 3)
    last = shown.max(0) + margin + random.normal(0, 3, 3)
    if crop == "body":
        first[2], last[2] = low, high
    first[2], last[2] = max(first[2], low), min(last[2], high)
    return first, last


def parenchyma(table: np.ndarray) -> int:
    """The row of the liver's own tissue, which its vessels lie in."""
    return int(np.argmax(table[:, 2] * (1 + table[:, 1])))


def tissues(table: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """HU, unevenness and whether it is liver of each tissue, (n,) each: in another contrast."""
    hu, unevenness, liver = (column.copy() for column in table.T)
    soft, fat = hu > -40, (hu > -140) & (hu <= -40)
    bone, own = hu > 330, parenchyma(table)
    spread = random.choice([6.0, 14.0, 25.0], p=[0.3, 0.5, 0.2])
    hu[soft] += random.normal(0, spread, soft.sum()).astype(np.float32)
    hu[soft] += random.normal(0, 5)
    hu[bone] *= random.uniform(0.7, 1.3)
    hu[fat] += random.normal(0, 10)
    if random.random() < 0.12:  # what lies between the organs, in the thin and the swollen
        hu[fat & (unevenness == 9)] = random.uniform(-80, 20)
    if random.random() < 0.12:  # a fatty liver
        hu[own] -= random.uniform(15, 50)
    if random.random() < 0.2:  # vessels as bright as the liver around them
        vessels = (liver > 0) & (np.arange(len(hu)) != own)
        hu[vessels] = hu[own] + random.normal(0, 6)
    return hu, unevenness * np.float32(random.uniform(0.5, 1.8)), liver


def smooth(edge: int, width: int, random: np.random.Generator) -> Tensor:
    """Noise (1, 1, …) of about unit variance with features `width` voxels wide."""
    n = edge // width + 2
    coarse = torch.from_numpy(random.standard_normal((1, 1, n, n, n), np.float32))
    return 1.5 * F.interpolate(coarse, (edge,) * 3, mode="trilinear", align_corners=True)


def cysts(
    image: Tensor, share: Tensor, window: Sequence[float], random: np.random.Generator
) -> Tensor:
    """The image with some balls of water in the liver, which are no tumours."""
    inside = (share[0, 0] > 0.9).nonzero()
    if not len(inside):
        return image
    places = (torch.arange(n, device=image.device) for n in image.shape[2:])
    axes = torch.meshgrid(*places, indexing="ij")
    for _ in range(random.integers(1, 4)):
        centre = inside[int(random.integers(len(inside)))]
        apart = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)).sqrt()
        cover = (random.uniform(1.5, 8) - apart + 0.5).clamp(0, 1) * share
        value = (random.uniform(-8, 18) - window[0]) / (window[1] - window[0])
        image = image + cover * (value - image)
    return image


def scanned(image: Tensor, slice_mm: float, width: float, random: np.random.Generator) -> Tensor:
    """An image of grey values 0…1, `width` HU apart, with slices of some thickness, and noise."""
    edge = image.shape[-1]
    thick = random.uniform(1, 7)
    if thick > 1.2 * slice_mm and random.random() < 0.8:
        count = max(8, math.ceil(edge * slice_mm / thick))
        coarse = F.interpolate(image, (edge, edge, count), mode="area")
        image = F.interpolate(coarse, (edge,) * 3, mode="trilinear")
    level = random.lognormal(math.log(8), 0.6) / width
    noise = torch.from_numpy(random.standard_normal(tuple(image.shape), np.float32))
    if random.random() < 0.5:
        noise = 2.5 * F.avg_pool3d(noise, 3, 1, 1)
    return image + (level * noise).to(image.device)
