"""Scans drawn from anatomies while a network learns, on its device, never twice the same.

A network that has seen every shape, contrast and noise takes a real scan for one more variation
(Billot et al., SynthSeg, Medical Image Analysis 2023). Each draw turns and bends an anatomy,
chooses the field of view, gives every tissue another grey value, adds tumours and what only looks
like one, and then what a scanner adds. Only the window that is looked at is drawn.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from liverlib.core.errors import LiverlibError
from liverlib.core.random import shuffled_index
from liverlib.preprocessing.cube import CubeSettings
from liverlib.training.settings import TrainSettings

from .artefacts import breathe, scanned
from .contrast import parenchyma, tissues
from .deformation import Deformation, LabelMap, view
from .lesions import WATERY, Liver, draw_cysts, draw_gallbladder, draw_patches, draw_tumours
from .noise import smooth
from .phantom.body import IN_THE_BELLY

GENERATOR_VERSION = 6  # raised when equal settings and anatomies come to give other scans
SIZE = {"body": 0.5, "liver": 0.85}  # a factor on radii in voxels, by look
# Places within a voxel, in shares of it, whose mean it shows: the corners of a tetrahedron.
WITHIN = ((-0.25, -0.25, -0.25), (0.25, 0.25, -0.25), (0.25, -0.25, 0.25), (-0.25, 0.25, 0.25))


class SyntheticScans:
    """Windows of cubes of anatomies; what the nth draw shows depends on the seed and n alone.

    Takes the place of `windows.PatchSampler`: `cube` says what the cubes cover, `settings` how large
    the windows are and how often they lie in a liver. The maps, of voxels of `spacing` mm, stay on
    the device once read, 20 MB each or so. Raises LiverlibError for cubes of whole scans.
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
        if cube.crop not in SIZE:
            looks = " or ".join(SIZE)
            raise LiverlibError(f"Scans are drawn of the {looks}, not cube.crop={cube.crop}.")
        self.paths, self.spacing, self.cube = list(paths), spacing, cube
        self.settings, self.device = settings, device
        self.edge = min(settings.window or cube.size, cube.size)
        self.kept: dict[int, LabelMap] = {}

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and occupancy (n, 2, …) of so many draws, both uint8 as in cubes."""
        images, batch_labels = zip(*map(self._draw, draws), strict=True)
        return torch.cat(images), torch.cat(batch_labels)

    def _draw(self, draw: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.settings.seed, draw])
        anatomy = self._anatomy(shuffled_index(self.settings.seed, draw, len(self.paths)))
        pose = Deformation(anatomy, random)
        low, high = view(pose, self.cube.crop, random)
        voxel = (high - low) / self.cube.size
        start = self._start(pose, low, voxel, random)
        places = pose.places(low + start * voxel, voxel, self.edge)
        if random.random() < 0.1:
            breathe(places, anatomy.spacing, random)
        contrast = tissues(anatomy.table, random)
        own = float(contrast[0][parenchyma(anatomy.table)])
        level = own + random.normal(0, 3) - random.uniform(0, 20) * (random.random() < 0.15)
        window = [bound + level * (self.cube.crop == "liver") for bound in self.cube.window]
        image, share = self._seen(anatomy, places, voxel, contrast, window, random)
        sides = (voxel / voxel.prod() ** (1 / 3)).tolist()
        size = SIZE[self.cube.crop]
        liver = Liver(image, share, torch.zeros_like(share), own, window, sides, size)
        if random.random() < 0.35:
            draw_gallbladder(liver, random)
        if random.random() < 0.2:
            draw_patches(liver, random)
        if own > WATERY and random.random() < 0.15:
            draw_cysts(liver, random)
        if random.random() < 0.67:
            draw_tumours(liver, random)
        image = scanned(image, share, voxel[2], window[1] - window[0], random)
        both = torch.cat([share, liver.tumour], 1)
        return tuple((x.clamp(0, 1) * 255).round().to(torch.uint8) for x in (image, both))

    def _anatomy(self, n: int) -> LabelMap:
        if n not in self.kept:
            with safe_open(self.paths[n], "pt") as file:
                tissue = file.get_tensor("tissue").to(self.device)
                arrays = (file.get_tensor(name).numpy() for name in ("table", "liver", "body"))
                self.kept[n] = LabelMap(tissue, *arrays, self.spacing)
        return self.kept[n]

    def _start(self, pose: Deformation, low: np.ndarray, voxel: np.ndarray, random) -> np.ndarray:
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
        anatomy: LabelMap,
        places: Tensor,
        voxel: np.ndarray,
        contrast: tuple[np.ndarray, ...],
        window: Sequence[float],
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Grey values 0…1 and the liver's share, (1, 1, …) each, of voxels around `places`."""
        hu, unevenness, liver = (torch.from_numpy(one).to(self.device) for one in contrast)
        texture = smooth(self.edge, random.choice((3, 3, 5, 9)), random, self.device).flatten()
        low, high = window
        stuffed = self._stuffing(anatomy.table, random)
        shape, flat = anatomy.tissue.shape, anatomy.tissue.flatten()
        grey, share = torch.zeros_like(texture), torch.zeros_like(texture)
        for within in WITHIN:
            x, y, z = (
                (axis + float(part * mm / anatomy.spacing)).round_().clamp_(0, n - 1).int()
                for axis, part, mm, n in zip(places, within, voxel, shape, strict=True)
            )
            place = ((x * shape[1] + y) * shape[2] + z).flatten()
            found = flat.index_select(0, place).int()  # far faster than flat[place]
            value = hu.index_select(0, found)
            value.addcmul_(unevenness.index_select(0, found), texture)
            for blob, fat, other in stuffed:
                value[blob & fat.index_select(0, found)] = other
            grey += value.sub_(low).div_(high - low).clamp_(0, 1)
            share += liver.index_select(0, found)
        window = (1, 1, *places.shape[1:])
        return grey.view(window) / len(WITHIN), share.view(window) / len(WITHIN)

    def _stuffing(
        self, table: np.ndarray, random: np.random.Generator
    ) -> list[tuple[Tensor, Tensor, float]]:
        """What now and then lies in the belly's fat, in shapes of no organ: places, whether a
        tissue is that fat, and HU there. In patients there is less room than in anatomies."""
        if random.random() > 0.3:
            return []
        hu, unevenness, _ = table.T
        fat = (hu > -140) & (hu <= -40) & (unevenness == IN_THE_BELLY)
        return [
            (
                smooth(self.edge, int(random.integers(7, 20)), random, self.device).flatten() > 0.6,
                torch.from_numpy(fat).to(self.device),
                random.uniform(-40, 130),
            )
            for _ in range(random.integers(1, 5))
        ]
