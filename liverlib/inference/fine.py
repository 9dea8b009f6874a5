"""The fine stage: looks for tumours that are too small for the voxels of the ROI stage.

It sees the liver that the ROI stage found, on twice as many voxels along each axis, in overlapping
tiles. It adds tumours and takes none away. In scans whose own voxels are no finer it is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from liverlib.core.arrays import Box, components, to_box
from liverlib.core.device import best_device, mixed_precision
from liverlib.core.errors import LiverlibError
from liverlib.core.settings import from_dict
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks
from liverlib.preprocessing.cube import CubeSettings, to_cube

from .stage_output import StageOutput

TILE, OVERLAP = 96, 24  # voxels along each axis
CORE = slice(OVERLAP // 2, TILE - OVERLAP // 2)  # of a tile; other tiles cover what lies around it
FINEST_MM = 1.25  # between pixels: scans of coarser ones show no more to this stage
LEAST_MEAN, LEAST_PEAK = 0.75, 0.9  # of a tumour's probability; chosen on phantoms
MOST_ML = 4.0  # of a tumour; the ROI stage sees larger ones better


@dataclass(frozen=True, eq=False)
class FineStage:
    """A network that learned from patches of `TILE` voxels, and the cubes that these lie in.

    Of the tumours that it finds, those stay whose probability has this mean and this peak.
    """

    network: UNet3D
    cube: CubeSettings
    least_mean: float = LEAST_MEAN
    least_peak: float = LEAST_PEAK

    @classmethod
    def of(cls, weights: str | Path) -> "FineStage | None":
        """That of a file of weights; None where there is none beside it.

        Raises `LiverlibError` as `load_networks` does, and for a file of anything else.
        """
        path = fine_path(weights)
        if not path.is_file():
            return None
        networks = load_networks(path)
        if len(networks) != 1 or "cube" not in networks[0][1]:
            raise LiverlibError(f"{path}: holds no fine stage. Move it away.")
        ((network, about),) = networks
        return cls(network.to(best_device()), from_dict(CubeSettings, about["cube"]))

    def fits(self, grid: Grid) -> bool:
        """Whether a scan is fine enough to show what the ROI stage does not see."""
        return bool(np.sort(grid.spacing)[1] <= FINEST_MM)

    def add(self, scan: Volume, roi: StageOutput) -> StageOutput:
        """The ROI stage's outcome, and the small tumours that this stage finds besides."""
        return self.merge(self.find(scan, roi), roi, scan.grid) if self.fits(scan.grid) else roi

    def find(self, scan: Volume, roi: StageOutput) -> np.ndarray:
        """The tumour's probability (S, S, S) in the liver of the ROI stage, 0 outside."""
        image = to_cube(scan, None, self.cube, roi.cube.box, roi.level).image
        ratio = len(image) // len(roi.kept[0])
        liver = (roi.kept[0] >= 0.5).repeat(ratio, 0).repeat(ratio, 1).repeat(ratio, 2)
        return np.where(liver, self._tumour(image, liver), np.float32(0))

    def merge(self, found: np.ndarray, roi: StageOutput, grid: Grid) -> StageOutput:
        """The ROI stage's outcome, and what of the tumours that `find` found is `chosen`."""
        ratio = len(found) // len(roi.kept[0])
        found = found * self.chosen(found, roi, grid)
        blocks = found.reshape([n for size in roi.kept.shape[1:] for n in (size, ratio)])
        return roi.with_tumours(blocks.mean((1, 3, 5)))

    @torch.inference_mode()
    def _tumour(self, image: np.ndarray, liver: np.ndarray) -> np.ndarray:
        """The tumour's probability (S, S, S), in the tiles that hold some liver."""
        device = next(self.network.parameters()).device
        total, weights = np.zeros(image.shape, np.float32), np.full(image.shape, 1e-6, np.float32)
        ramp = np.minimum(np.arange(1, TILE + 1), np.arange(TILE, 0, -1)).clip(max=OVERLAP)
        weight = np.float32(ramp[:, None, None] * ramp[:, None] * ramp) / OVERLAP**3
        for tile in tiles(len(image)):
            if not liver[tile][CORE, CORE, CORE].any():
                continue
            patch = torch.from_numpy(image[tile].copy())[None, None].to(device).float() / 255
            with mixed_precision(device, TILE // self.network.divisor):
                logits = self.network(patch)[0].float()
            total[tile] += weight * logits.softmax(0)[2].cpu().numpy()
            weights[tile] += weight
        return total / weights

    def chosen(self, found: np.ndarray, roi: StageOutput, grid: Grid) -> np.ndarray:
        """Where a tumour is that is probable and small, bool (S, S, S)."""
        lesions, count = components(found >= 0.5)
        each = found, lesions, range(1, count + 1)
        mean, peak = np.array(ndimage.mean(*each)), np.array(ndimage.maximum(*each))
        covered = np.prod([side.stop - side.start for side in roi.cube.box])
        ml = np.bincount(lesions.ravel())[1:] * covered * grid.voxel_ml / found.size
        probable = (mean >= self.least_mean) & (peak >= self.least_peak)
        return np.append(False, probable & ~(ml > MOST_ML))[lesions]  # ml may be unknown


def tiles(size: int) -> Iterator[Box]:
    """Boxes of `TILE` voxels along each axis that cover a cube, and overlap by `OVERLAP`."""
    count = -(-(size - TILE) // (TILE - OVERLAP)) + 1
    starts = np.rint(np.linspace(0, size - TILE, count)).astype(int).tolist()
    for corner in product(starts, repeat=3):
        yield to_box(slice(start, start + TILE) for start in corner)


def fine_path(weights: str | Path) -> Path:
    """Where the fine stage of a file of weights is kept."""
    return Path(weights).with_suffix(".fine.safetensors")
