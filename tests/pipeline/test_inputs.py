"""What a stage's training begins with."""

import os
from dataclasses import replace

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.models.unet import UNet3D
from liverlib.models.weights import save_networks
from liverlib.pipeline.inputs import initial_network, synthetic, workers_for
from liverlib.pipeline.presets import RunSettings
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.label_maps import LabelMapSettings
from liverlib.training.settings import TrainSettings


def test_without_weights_a_training_starts_at_random():
    assert initial_network("", "coarse") is None


def test_the_pretrained_weights_hold_a_network_for_each_stage():
    shapes = [initial_network("pretrained", stage).shape["channels"] for stage in ("coarse", "roi")]
    assert shapes == [(16, 32, 64, 128), (24, 48, 96, 160)]


def test_weights_without_the_stage_are_refused(tmp_path):
    path = tmp_path / "coarse.safetensors"
    save_networks(path, [(UNet3D((4, 8)), {"cube": {"crop": "body"}})])
    assert initial_network(str(path), "coarse").shape["channels"] == (4, 8)
    with pytest.raises(LiverlibError, match=r"coarse\.safetensors: holds no network of the roi"):
        initial_network(str(path), "roi")


def test_synthetic_scans_follow_the_settings(own_home):
    train = TrainSettings(patch_size=16, tumour_fraction=0.25, liver_fraction=0.5, seed=7)
    settings = RunSettings(synthesis=LabelMapSettings(count=1, spacing=6.0))
    scans = synthetic(replace(settings, roi=train), "roi", CubeSettings(size=32, crop="liver"))
    assert (len(scans), scans.edge, scans.liver_fraction, scans.seed) == (1, 16, 0.75, 7)
    assert list((own_home / "data" / "label_maps").rglob("*.safetensors"))


def test_processes_take_half_of_what_a_gpu_has_free_and_leave_a_processor(tmp_path):
    path = tmp_path / "label_map.safetensors"
    path.touch()
    os.truncate(path, 1_000_000_000)  # a hole: it takes no room
    assert workers_for([path] * 4, 80e9, 16) == 8
    assert workers_for([path] * 4, 24e9, 16) == 2
    assert workers_for([path] * 4, 80e9, 2) == 1
    assert workers_for([path] * 4, 8e9, 16) == 0
