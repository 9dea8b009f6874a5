"""Stages without trained networks: perfect predictions, and networks that can be understood."""

import numpy as np
import torch

from liverlib.core.settings import to_dict
from liverlib.inference.postprocessing import DEFAULTS, PostprocessSettings, postprocess, roi_box
from liverlib.inference.prediction import StageOutput
from liverlib.io.volume import Grid, Volume
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.preprocessing.cube import Cube, CubeSettings, to_cube


def perfect(cube: Cube) -> tuple[Cube, np.ndarray]:
    """A cube and its own soft labels: what a perfect network would predict."""
    return cube, cube.soft_labels.astype(np.float32) / 255


def stage_output(
    cube: Cube,
    probabilities: np.ndarray,
    grid: Grid,
    settings: PostprocessSettings = DEFAULTS,
) -> StageOutput:
    """The outcome of a stage that predicts these probabilities (N, 2, S, S, S)."""
    kept = postprocess(probabilities.mean(axis=0), settings)
    return StageOutput(cube, probabilities, kept, roi_box(cube, kept, grid.spacing))


def predicted(
    grid: Grid, *labels: np.ndarray, settings: PostprocessSettings = DEFAULTS
) -> StageOutput:
    """The outcome of networks each of which predicts one of such labels, voxel by voxel."""
    scan, whole = Volume(np.zeros(grid.shape, np.int16), grid), CubeSettings(40, crop="all")
    pairs = [perfect(to_cube(scan, Volume(label, grid), whole)) for label in labels]
    return stage_output(pairs[0][0], np.stack([p for _, p in pairs]), grid, settings)


class Threshold(torch.nn.Module):
    """Stands for a network: liver is what is brighter than a grey value, tumour within two."""

    divisor = 1

    def __init__(self, liver: float, tumour: tuple[float, float]) -> None:
        super().__init__()
        self.liver, self.tumour = liver, tumour
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        liver, tumour = image > self.liver, (image > self.tumour[0]) & (image < self.tumour[1])
        logits = torch.stack([~(liver | tumour), liver & ~tumour, tumour], 1)[:, :, 0]
        return 40 * logits.float() - 20


def save_untrained(path, *crops: str, size: int = 32, seed: int = 0):
    """Weights of small untrained networks, one for cubes of each crop."""
    torch.manual_seed(seed)
    abouts = [{"cube": to_dict(CubeSettings(size=size, crop=crop))} for crop in crops]
    save_networks(path, [(UNet3D((4, 8)), about) for about in abouts])
    return path
