"""What a stage's training begins with: its batches, and its first network."""

from collections.abc import Sequence
from pathlib import Path

from liverlib.core.device import best_device
from liverlib.core.errors import LiverlibError
from liverlib.models.unet import UNet3D
from liverlib.models.weights import PRETRAINED, load_networks
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import write_label_maps
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import TrainSettings

from .paths import data_folder
from .presets import RunSettings


def patches(settings: RunSettings, stage: str, cubes: Sequence[Path]) -> PatchSampler:
    """Patches of cached cubes."""
    return PatchSampler(cubes, getattr(settings, stage))


def synthetic(settings: RunSettings, stage: str, cube: CubeSettings) -> SyntheticScans:
    """Synthetic scans of the settings' label maps, which are made where they are missing."""
    maps, train = settings.synthesis, getattr(settings, stage)
    paths = write_label_maps(data_folder() / "label_maps", maps)
    return SyntheticScans(paths, maps.spacing, cube, *_sampling(train), device=best_device())


def initial_network(named: str, stage: str) -> UNet3D | None:
    """The stage's network in the weights to start from, a file's or "pretrained"; None without.

    Raises `LiverlibError` where the file holds none for this stage.
    """
    if not named:
        return None
    path = PRETRAINED if named == "pretrained" else Path(named)
    for network, about in load_networks(path):
        if (about["cube"]["crop"] == "liver") == (stage == "roi"):
            return network
    raise LiverlibError(f"{path}: holds no network of the {stage} stage. Name other weights.")


def _sampling(train: TrainSettings) -> tuple[int, float, int]:
    """Patch size, how many patches lie in a liver, and the seed."""
    return train.patch_size, train.tumour_fraction + train.liver_fraction, train.seed
