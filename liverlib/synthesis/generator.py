"""Synthetic CTs made from label maps while a network trains, on its device, never twice the same.

A network that has seen every shape, contrast and noise takes a real scan for one more variation:
domain randomisation (Billot et al., SynthSeg, Medical Image Analysis 2023). Each draw deforms a
label map, chooses the field of view, gives every tissue another grey value, adds lesions and hard
negatives, and at last the artefacts of a scanner. Only the patch that is asked for is computed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from liverlib.core.errors import LiverlibError
from liverlib.core.random import shuffled_index
from liverlib.preprocessing.cube import CubeSettings

from .artefacts import add_artefacts, breathe
from .contrast import Contrast, hard_negatives_in_fat, parenchyma, sample_contrast
from .deformation import Deformation, LabelMap, field_of_view
from .lesions import (
    CYST_MIN_HU,
    LiverPatch,
    add_cysts,
    add_gallbladder,
    add_perfusion_patches,
    add_tumours,
)
from .noise import smooth_noise

GENERATOR_VERSION = 7  # raised when equal settings and label maps come to give other scans
LESION_SCALE = {"body": 0.5, "liver": 0.85}  # a factor on radii in voxels, by the cube's crop
# Positions within a voxel, as fractions of it, whose mean it shows: a tetrahedron's corners.
SUBVOXEL = ((-0.25, -0.25, -0.25), (0.25, 0.25, -0.25), (0.25, -0.25, 0.25), (-0.25, 0.25, 0.25))


class SyntheticScans:
    """Patches of synthetic cubes; the nth draw depends on the seed and n alone.

    A `training.sampler.BatchSource`. The label maps stay on the device once read, about 20 MB each.

    Args:
        paths: files of label maps (`label_maps.write_label_maps`).
        spacing: mm between their voxels.
        cube: what the cubes cover; crop "body" or "liver", else raises LiverlibError.
        patch_size: edge of a patch in voxels; 0: the whole cube.
        liver_fraction: fraction of patches around a voxel of the liver; the others lie anywhere.
        seed: another seed, other scans.
        device: where they are computed.

    >>> scans = SyntheticScans(paths, 1.5, CubeSettings(), patch_size=64)
    >>> image, soft_labels = scans.batch([0, 1])
    """

    lesions = True  # some patches hold tumours

    def __init__(
        self,
        paths: Sequence[Path],
        spacing: float,
        cube: CubeSettings,
        patch_size: int = 0,
        liver_fraction: float = 0.0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if cube.crop not in LESION_SCALE:
            crops = " or ".join(LESION_SCALE)
            raise LiverlibError(
                f"Scans are synthesised of the {crops}, not with cube.crop={cube.crop}. "
                "Choose one of these."
            )
        self.paths, self.spacing, self.cube = list(paths), spacing, cube
        self.edge = min(patch_size or cube.size, cube.size)
        self.liver_fraction, self.seed, self.device = liver_fraction, seed, device
        self._loaded: dict[int, LabelMap] = {}

    def __len__(self) -> int:
        """The number of label maps."""
        return len(self.paths)

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and soft labels (n, 2, …) of so many draws, both uint8 as in cubes."""
        images, soft_labels = zip(*map(self._synthesise, draws), strict=True)
        return torch.cat(images), torch.cat(soft_labels)

    def clean(self, draw: int) -> tuple[LiverPatch, float, np.random.Generator]:
        """A draw before lesions, artefacts and noise: its patch, the height of the voxels in mm,
        and the random numbers that go on."""
        random = np.random.default_rng([self.seed, draw])
        label_map = self._label_map(shuffled_index(self.seed, draw, len(self)))
        deformation = Deformation(label_map, random)
        low, high = field_of_view(deformation, self.cube.crop, random)
        voxel = (high - low) / self.cube.size
        start = self._start(deformation, low, voxel, random)
        coordinates = deformation.coordinates(low + start * voxel, voxel, self.edge)
        if random.random() < 0.1:
            breathe(coordinates, label_map.spacing, random)
        contrast = sample_contrast(label_map.table, random)
        liver_hu = float(contrast.hu[parenchyma(label_map.table)])
        window = self._window(liver_hu, random)
        image, liver = self._image(label_map, coordinates, voxel, contrast, window, random)
        sides = (voxel / voxel.prod() ** (1 / 3)).tolist()
        scale, tumour = LESION_SCALE[self.cube.crop], torch.zeros_like(liver)
        patch = LiverPatch(image, liver, tumour, liver_hu, window, sides, scale, contrast.phase)
        return patch, float(voxel[2]), random

    def _synthesise(self, draw: int) -> tuple[Tensor, Tensor]:
        """One draw: image (1, 1, …) and soft labels (1, 2, …), uint8."""
        patch, slice_mm, random = self.clean(draw)
        low, high = patch.window
        _add_lesions(patch, random)
        image = add_artefacts(patch.image, patch.liver, slice_mm, high - low, random)
        soft_labels = torch.cat([patch.liver, patch.tumour], 1)
        return _as_bytes(image), _as_bytes(soft_labels)

    def _label_map(self, index: int) -> LabelMap:
        """One of the label maps, on the device."""
        if index not in self._loaded:
            path = self.paths[index]
            self._loaded[index] = LabelMap.load(path, self.spacing, self.device)
        return self._loaded[index]

    def _window(self, liver_hu: float, random: np.random.Generator) -> list[float]:
        """The cube's HU window, for a liver counted from a median that may be somewhat wrong."""
        level = liver_hu + random.normal(0, 3) - random.uniform(0, 20) * (random.random() < 0.15)
        return [bound + level * (self.cube.crop == "liver") for bound in self.cube.window]

    def _start(
        self,
        deformation: Deformation,
        low: np.ndarray,
        voxel: np.ndarray,
        random: np.random.Generator,
    ) -> np.ndarray:
        """The patch's first voxel (3,) in the cube, which begins at `low` mm."""
        last = self.cube.size - self.edge
        if random.random() < self.liver_fraction and len(deformation.liver):
            inside = (deformation.liver - low) / voxel
            inside = inside[((inside > 0) & (inside < self.cube.size)).all(1)]
            if len(inside):
                jitter = random.integers(-self.edge // 4, self.edge // 4 + 1, 3)
                return np.clip(np.rint(random.choice(inside)) + jitter - self.edge // 2, 0, last)
        return random.integers(0, last + 1, 3)

    def _image(
        self,
        label_map: LabelMap,
        coordinates: Tensor,
        voxel: np.ndarray,
        contrast: Contrast,
        window: Sequence[float],
        random: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Grey values 0…1 and the liver's soft label, (1, 1, …) each, at `coordinates`."""
        hu, amplitude, is_liver = (torch.from_numpy(x).to(self.device) for x in contrast[:3])
        width = random.choice((3, 3, 5, 9))
        texture = smooth_noise(self.edge, width, random, self.device).flatten()
        low, high = window
        fillings = hard_negatives_in_fat(label_map.table, self.edge, random, self.device)
        grey, liver = torch.zeros_like(texture), torch.zeros_like(texture)
        for offset in np.array(SUBVOXEL):
            tissue = label_map.tissue_at(coordinates, offset * voxel / label_map.spacing)
            value = hu.index_select(0, tissue)  # far faster than hu[tissue]
            value.addcmul_(amplitude.index_select(0, tissue), texture)
            for filling in fillings:
                value[filling.inside & filling.is_fat.index_select(0, tissue)] = filling.hu
            grey += value.sub_(low).div_(high - low).clamp_(0, 1)
            liver += is_liver.index_select(0, tissue)
        shape = (1, 1, *coordinates.shape[1:])
        return grey.view(shape) / len(SUBVOXEL), liver.view(shape) / len(SUBVOXEL)


def _as_bytes(values: Tensor) -> Tensor:
    """Values 0…1 as uint8."""
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def _add_lesions(patch: LiverPatch, random: np.random.Generator) -> None:
    """Adds hard negatives to the liver, then tumours."""
    if random.random() < 0.25:
        add_gallbladder(patch, random)
    if random.random() < 0.2:
        add_perfusion_patches(patch, random)
    if patch.hu > CYST_MIN_HU and random.random() < 0.15:
        add_cysts(patch, random)
    if random.random() < 0.67:
        add_tumours(patch, random)
