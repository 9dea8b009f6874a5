"""What a stage's training begins with: its batches, and its first network."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from liverlib.core.device import best_device
from liverlib.core.errors import LiverlibError
from liverlib.inference.segmenter import networks_by_stage
from liverlib.models.unet import UNet3D
from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import write_label_maps
from liverlib.training.sampler import BatchSource, PatchSampler
from liverlib.training.settings import TrainSettings
from liverlib.training.workers import BatchWorkers

from .paths import data_folder
from .presets import RunSettings

MAX_WORKERS = 8
WORKER_BYTES = 1e9  # of a GPU that a worker may take beside its label maps: a guess


def patches(settings: RunSettings, stage: str, cubes: Sequence[Path]) -> PatchSampler:
    """Patches of cached cubes."""
    return PatchSampler(cubes, getattr(settings, stage))


def synthetic(settings: RunSettings, stage: str, cube: CubeSettings) -> BatchSource:
    """Synthetic scans of the settings' label maps, which are made where they are missing.

    A GPU gets them from several processes: one starts its small computations too slowly.
    """
    maps, train = settings.synthesis, getattr(settings, stage)
    paths = write_label_maps(data_folder() / "label_maps", maps)
    device = best_device()
    if device.type == "cuda" and device.index is None:  # processes would take the first one
        device = torch.device("cuda", torch.cuda.current_device())
    scans = SyntheticScans(paths, maps.spacing, cube, *_sampling(train), device=device)
    if device.type != "cuda":
        return scans
    workers = workers_for(paths, torch.cuda.mem_get_info(device)[0], os.cpu_count() or 1)
    return BatchWorkers(scans, workers) if workers > 1 else scans


def workers_for(paths: Sequence[Path], free: float, cpus: int) -> int:
    """How many processes synthesise: half of a GPU's `free` bytes hold their label maps' copies."""
    each = WORKER_BYTES + sum(path.stat().st_size for path in paths)
    return min(MAX_WORKERS, cpus - 1, int(free / 2 / each))


def initial_network(named: str, stage: str) -> UNet3D | None:
    """The stage's network in the weights to start from, a file's or "pretrained"; None without.

    Raises `LiverlibError` where the file holds none for this stage.
    """
    if not named:
        return None
    path = PRETRAINED if named == "pretrained" else Path(named)
    for name, network, _ in networks_by_stage(path):
        if name == stage:
            return network
    raise LiverlibError(f"{path}: holds no network of the {stage} stage. Name other weights.")


def _sampling(train: TrainSettings) -> tuple[int, float, int]:
    """Patch size, how many patches lie in a liver, and the seed."""
    return train.patch_size, train.tumour_fraction + train.liver_fraction, train.seed
