"""Scan → mask with trained networks, on the scan's own grid, in two looks.

The first look sees the whole body in a cube and finds the liver. The second sees that liver alone,
in a cube of its own, where a voxel is about half as wide: there small tumours are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from liverlib import LiverlibError
from liverlib.cube import MARGIN_MM, Box, Cube, CubeSettings, classes, liver_box, to_cube
from liverlib.device import best_device, mixed_precision
from liverlib.resample import SLAB
from liverlib.scan import Volume
from liverlib.settings import from_dict
from liverlib.unet import UNet3D, load_networks


@dataclass(frozen=True, eq=False)
class Look:
    """Networks that see the same part of a scan, whose answers are averaged, and their cubes."""

    networks: Sequence[UNet3D]
    cube: CubeSettings

    def shares(
        self, scan: Volume, box: Box | None = None, level: float = 0.0
    ) -> tuple[Cube, np.ndarray]:
        """The scan's cube, and how much of each voxel is liver, and tumour.

        (2, S, S, S) float32, as `Cube.occupancy`. Of the liver the largest connected piece is
        kept: elsewhere a network now and then takes spleen or heart for liver.
        """
        cube = to_cube(scan, None, self.cube, box, level)
        answers = [probabilities(network, cube) for network in self.networks]
        return cube, keep_largest(np.mean(answers, axis=0))


@dataclass(frozen=True, eq=False)
class Segmenter:
    """One or two looks; without the second, the first finds the tumours too."""

    body: Look
    liver: Look | None = None

    @classmethod
    def load(cls, *weights: str | Path) -> "Segmenter":
        """The segmenter in weight files; networks for the same look are averaged.

        Raises `LiverlibError` as `load_networks` does, and where none of the networks takes the
        first look, or those of one look learned from unlike cubes.
        """
        looks: dict[str, list[tuple[UNet3D, CubeSettings]]] = {}
        for path in weights:
            for network, about in load_networks(path):
                cube = from_dict(CubeSettings, about["cube"])
                look = "liver" if cube.crop == "liver" else "body"
                looks.setdefault(look, []).append((network.to(best_device()), cube))
        named = ", ".join(map(str, weights))
        if "body" not in looks:
            raise LiverlibError(
                f"{named}: only for the second look. Name weights of the first too."
            )
        if any(len({cube for _, cube in look}) > 1 for look in looks.values()):
            raise LiverlibError(
                f"{named}: made for unlike cubes. Average weights of like runs only."
            )
        return cls(
            **{name: Look([one for one, _ in look], look[0][1]) for name, look in looks.items()}
        )

    def segment(self, scan: Volume) -> Volume:
        """The scan's mask on its own grid: 0 background, 1 liver, 2 tumour (only inside liver)."""
        first, shares = self.body.shares(scan)
        mask, spacing = first.to_grid(shares), scan.grid.spacing
        if self.liver and (box := found_box(first, shares, spacing)):
            low, high = self.body.cube.window
            median = np.median(first.image[shares[0] >= 0.5])
            level = float(np.rint(low + median * (high - low) / 255))
            blend(mask, (first, shares), self.liver.shares(scan, box, level), spacing)
        return Volume(mask, scan.grid, scan.name)


def blend(
    mask: np.ndarray,
    first: tuple[Cube, np.ndarray],
    second: tuple[Cube, np.ndarray],
    spacing: Sequence[float],
) -> None:
    """Draws into the mask what the second look says inside its box.

    It takes over from the first by and by, over `MARGIN_MM` from the faces of its box, so that no
    seam is left. Each look is a cube and its (2, S, S, S) shares.
    """
    box = second[0].box
    inside = mask[tuple(slice(start, stop) for start, stop in box)]
    x, y, z = _ramps(second[0], spacing)
    slabs = zip(first[0].slabs(first[1], box), second[0].slabs(second[1], box), strict=True)
    for n, (before, after) in enumerate(slabs):
        part = slice(n * SLAB, (n + 1) * SLAB)
        weight = x[:, None, None] * y[:, None] * z[part]
        inside[:, :, part] = classes(before + weight * (after - before))
    inside[apart(inside > 0)] = 0  # what the first look alone had joined to the liver


def _ramps(cube: Cube, spacing: Sequence[float]) -> list[np.ndarray]:
    """Along each axis of a box, from 0 at its faces to 1 at `MARGIN_MM` and deeper.

    A face that is the scan's own is no seam: there it is 1 at once.
    """
    ramps = []
    for (start, stop), whole, mm in zip(cube.box, cube.shape, spacing, strict=True):
        at = np.arange(start, stop) + 0.5
        low = (at - start) * mm / MARGIN_MM if start > 0 else np.ones(len(at))
        high = (stop - at) * mm / MARGIN_MM if stop < whole else np.ones(len(at))
        ramps.append(np.minimum(np.minimum(low, high), 1).astype(np.float32))
    return ramps


@torch.inference_mode()
def probabilities(network: UNet3D, cube: Cube) -> np.ndarray:
    """What a network says of a cube: (2, S, S, S) float32, of liver or tumour, and of tumour."""
    device = next(network.parameters()).device
    image = torch.from_numpy(cube.image)[None, None].to(device).float() / 255
    with mixed_precision(device, image.shape[-1] // network.divisor):
        logits = network(image)[0].float()
    _, liver, tumour = logits.softmax(0)
    return torch.stack([liver + tumour, tumour]).cpu().numpy()


def keep_largest(shares: np.ndarray) -> np.ndarray:
    """The shares (2, …), with nothing where liver is that is not part of the largest piece."""
    return np.where(apart(shares[0] >= 0.5), np.float32(0), shares)


def apart(liver: np.ndarray) -> np.ndarray:
    """What of a mask is not part of its largest connected piece (6 neighbours)."""
    pieces, count = ndimage.label(liver)
    if count < 2:
        return np.zeros_like(liver)
    return (pieces > 0) & (pieces != 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


def found_box(cube: Cube, shares: np.ndarray, spacing: np.ndarray) -> Box | None:
    """The box, in the scan's voxels, around the liver that the shares of a cube show."""
    width = [
        (stop - start) / n for (start, stop), n in zip(cube.box, shares.shape[1:], strict=True)
    ]
    found = liver_box(shares[0] >= 0.5, np.multiply(width, spacing))
    if found is None:
        return None
    edges = (
        (start + low * w, start + high * w)
        for (low, high), (start, _), w in zip(found, cube.box, width, strict=True)
    )
    return tuple((int(np.floor(low)), int(np.ceil(high))) for low, high in edges)
