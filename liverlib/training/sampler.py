"""What a training step sees: patches of the cached cubes, tumours more often than they are.

A tumour is about a thousandth of a cube, and whole cubes hardly teach it. Each patch is sampled
around a lesion (any lesion alike, small or large), in the liver, or anywhere. What the nth draw
sees depends on the seed and n alone: so a resumed training equals an undisturbed one, and two
processes together equal one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import safe_open
from scipy import ndimage
from torch import Tensor

from liverlib.core.arrays import components
from liverlib.core.errors import LiverlibError
from liverlib.core.random import shuffled_index

from .settings import TrainSettings

KEPT = 500  # voxels remembered of each lesion, and of each liver


class BatchSource(Protocol):
    """What a training learns from: draws by their number, the same for the same number."""

    @property
    def edge(self) -> int:
        """Of a patch, in voxels."""

    @property
    def lesions(self) -> object:
        """True, or not empty, where there are any to learn from."""

    def __len__(self) -> int:
        """Cases that are seen before one comes again."""

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and soft labels (n, 2, …) of so many draws, both uint8 as in cubes."""


class PatchSampler:
    """Random patches of cube files, of the settings' `patch_size` (0: whole cubes).

    The files are mapped into memory, not read; only voxels of livers and lesions are kept. Raises
    `LiverlibError` for a cube without a label.

    >>> image, soft_labels = PatchSampler(cubes, settings).batch([0, 1])
    """

    def __init__(self, paths: Sequence[Path], settings: TrainSettings) -> None:
        self.size, self.seed = settings.patch_size, settings.seed
        tumour, liver = settings.tumour_fraction, settings.liver_fraction
        self.fractions = [tumour, liver, max(0.0, 1 - tumour - liver)]  # 0.9 and 0.1: −3e-17
        self.files = [_opened(path) for path in paths]
        voxels = [_voxels(file, self.seed) for file in self.files]
        self.livers = [liver for liver, _ in voxels]
        self.lesions = [(n, lesion) for n, (_, lesions) in enumerate(voxels) for lesion in lesions]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def edge(self) -> int:
        """Of a patch, in voxels."""
        whole = self.files[0].get_slice("image").get_shape()[0]
        return min(self.size or whole, whole)

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and soft labels (n, 2, …) of so many draws, both uint8 as in cubes."""
        images, soft_labels = zip(*map(self._patch, draws), strict=True)
        return torch.stack(images), torch.stack(soft_labels)

    def _patch(self, draw: int) -> tuple[Tensor, Tensor]:
        case = shuffled_index(self.seed, draw, len(self))
        random = np.random.default_rng([self.seed, draw])
        kind = random.choice(["tumour", "liver", "anywhere"], p=self.fractions)
        if kind == "tumour" and self.lesions:
            case, centres = self.lesions[random.integers(len(self.lesions))]
        else:
            centres = self.livers[case] if kind != "anywhere" else np.empty((0, 3), int)
        file = self.files[case]
        image = file.get_slice("image")
        whole = np.array(image.get_shape())
        centre = random.choice(centres) if len(centres) else random.integers(0, whole)
        jitter = random.integers(-self.size // 4, self.size // 4 + 1, 3)
        edge = self.edge
        low = np.clip(centre + jitter - edge // 2, 0, whole - edge)
        x, y, z = (slice(start, start + edge) for start in low.tolist())
        return image[x, y, z][None], file.get_slice("soft_labels")[:, x, y, z]


def to_float(
    image: Tensor, soft_labels: Tensor, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Bytes as a network takes them, on its device: grey values and soft labels, 0…1."""
    image, soft_labels = (
        x.to(device, non_blocking=True).float().div_(255) for x in (image, soft_labels)
    )
    return image, soft_labels


def whole_cube(path: Path) -> tuple[Tensor, Tensor]:
    """A whole cube as a batch of one: image (1, 1, S, S, S) and soft labels (1, 2, S, S, S).

    Raises `LiverlibError` for a cube without a label.
    """
    with _opened(path) as file:
        return file.get_tensor("image")[None, None], file.get_tensor("soft_labels")[None]


def _opened(path: Path) -> safe_open:
    file = safe_open(path, "pt")
    if "soft_labels" not in set(file.keys()):
        raise LiverlibError(f"{path}: has no label. Make the cubes of labelled cases.")
    return file


def _voxels(file: safe_open, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Some voxels (n, 3) of the liver, and of each lesion."""
    liver, tumour = file.get_tensor("soft_labels").numpy() >= 128
    random = np.random.default_rng(seed)
    numbered, _ = components(tumour)
    lesions = []
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        start = [side.start for side in box]
        lesions.append(_some(np.argwhere(numbered[box] == number) + start, random))
    return _some(np.argwhere(liver), random), lesions


def _some(voxels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return voxels if len(voxels) <= KEPT else random.choice(voxels, KEPT, replace=False)
