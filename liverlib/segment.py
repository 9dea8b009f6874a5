"""Scan → mask with a trained network, on the scan's own grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from liverlib.cube import Cube, CubeSettings, to_cube
from liverlib.device import best_device
from liverlib.scan import Volume
from liverlib.settings import from_dict
from liverlib.unet import UNet3D, load_network


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network, with the settings of the cubes that it learned from."""

    network: UNet3D
    cube: CubeSettings

    @classmethod
    def load(cls, weights: str | Path) -> "Segmenter":
        """The segmenter in a weight file; raises as `load_network` does."""
        network, about = load_network(weights)
        return cls(network.to(best_device()), from_dict(CubeSettings, about["cube"]))

    def segment(self, scan: Volume) -> Volume:
        """The scan's mask on its own grid: 0 background, 1 liver, 2 tumour.

        Of the liver the largest connected piece is kept, and only tumour inside it.
        """
        cube = to_cube(scan, settings=self.cube)
        mask = keep_largest(cube.to_grid(self.probabilities(cube)))
        return Volume(mask, scan.grid, scan.name)

    @torch.inference_mode()
    def probabilities(self, cube: Cube) -> np.ndarray:
        """(2, S, S, S) float32: of liver or tumour, and of tumour."""
        device = next(self.network.parameters()).device
        image = torch.from_numpy(cube.image)[None, None].to(device).float() / 255
        _, liver, tumour = self.network(image)[0].softmax(0)
        return torch.stack([liver + tumour, tumour]).cpu().numpy()


def keep_largest(mask: np.ndarray) -> np.ndarray:
    """The mask without any liver (and tumour in it) that is not part of the largest piece.

    Elsewhere a network now and then takes spleen or heart for liver, and a case's score with it.
    """
    pieces, count = ndimage.label(mask > 0)
    if count > 1:
        largest = 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        mask = np.where(pieces == largest, mask, np.uint8(0))
    return mask
