"""What a training step sees: windows cut from the cached cubes, tumours more often than they are.

A tumour is about a thousandth of a cube, and whole cubes hardly teach it. Each window is drawn
around a lesion (any lesion alike, small or large), in the liver, or anywhere. What the nth draw
sees depends on the seed and n alone: so a resumed training equals an undisturbed one, and two
processes together equal one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from scipy import ndimage
from torch import Tensor

from liverlib.core.random import shuffled_index

KEPT = 500  # places remembered of each lesion, and of each liver


class PatchSampler:
    """Random windows of `size`³ voxels (0: whole cubes) from cube files.

    The files are mapped into memory, not read; only the places of livers and lesions are kept.
    """

    def __init__(
        self, paths: Sequence[Path], size: int, tumour: float, liver: float, seed: int
    ) -> None:
        self.paths, self.size, self.seed = list(paths), size, seed
        self.chances = [tumour, liver, 1 - tumour - liver]
        self.files = [safe_open(path, "pt") for path in paths]
        places = [_places(file, seed) for file in self.files]
        self.livers = [liver for liver, _ in places]
        self.lesions = [(n, lesion) for n, (_, lesions) in enumerate(places) for lesion in lesions]

    @property
    def edge(self) -> int:
        """Of a window, in voxels."""
        whole = self.files[0].get_slice("image").get_shape()[0]
        return min(self.size or whole, whole)

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and occupancy (n, 2, …) of so many draws, both uint8 as in the cubes."""
        images, batch_labels = zip(*map(self._draw, draws), strict=True)
        return torch.stack(images), torch.stack(batch_labels)

    def _draw(self, draw: int) -> tuple[Tensor, Tensor]:
        case = shuffled_index(self.seed, draw, len(self.paths))
        random = np.random.default_rng([self.seed, draw])
        kind = random.choice(["tumour", "liver", "anywhere"], p=self.chances)
        if kind == "tumour" and self.lesions:
            case, places = self.lesions[random.integers(len(self.lesions))]
        else:
            places = self.livers[case] if kind != "anywhere" else np.empty((0, 3), int)
        file = self.files[case]
        image = file.get_slice("image")
        edge = np.array(image.get_shape())
        centre = random.choice(places) if len(places) else random.integers(0, edge)
        jitter = random.integers(-self.size // 4, self.size // 4 + 1, 3)
        size = self.edge
        low = np.clip(centre + jitter - size // 2, 0, edge - size)
        x, y, z = (slice(start, start + size) for start in low.tolist())
        return image[x, y, z][None], file.get_slice("occupancy")[:, x, y, z]


def floats(
    image: Tensor, soft_labels: Tensor, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Bytes as a network takes them, on its device: grey values and shares, 0…1."""
    return tuple(x.to(device, non_blocking=True).float().div_(255) for x in (image, soft_labels))


def whole(path: Path) -> tuple[Tensor, Tensor]:
    """A whole cube as a batch of one: image (1, 1, S, S, S) and occupancy (1, 2, S, S, S)."""
    with safe_open(path, "pt") as file:
        return file.get_tensor("image")[None, None], file.get_tensor("occupancy")[None]


def _places(file: safe_open, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Some voxels (n, 3) of the liver, and of each lesion."""
    liver, tumour = file.get_tensor("occupancy").numpy() >= 128
    random = np.random.default_rng(seed)
    pieces, _ = ndimage.label(tumour)
    lesions = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        start = [part.start for part in box]
        lesions.append(_some(np.argwhere(pieces[box] == number) + start, random))
    return _some(np.argwhere(liver), random), lesions


def _some(places: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return places if len(places) <= KEPT else random.choice(places, KEPT, replace=False)
