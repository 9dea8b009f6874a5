"""The presets, and the small settings of a quick try."""

from dataclasses import replace

import pytest

from liverlib.models.unet import UNet3D
from liverlib.pipeline.presets import PRESETS, STAGES, default_settings


@pytest.mark.parametrize("name", PRESETS)
def test_patches_fit_the_network_of_every_preset(name, monkeypatch):
    for fast in ("", "1"):
        monkeypatch.setenv("LIVERLIB_FAST", fast)
        settings = default_settings(name)
        for stage in STAGES:
            train = getattr(settings, stage)
            network = UNet3D(train.channels, train.block_size, train.norm)
            lowest, rest = divmod(train.patch_size or settings.cube.size, network.divisor)
            assert not rest and lowest > train.norm  # instance norm needs more than one voxel


def test_finetuning_changes_the_training_alone():
    before, after = PRESETS["pretrain"], PRESETS["finetune"]
    assert after.init == "pretrained" and not before.init
    assert replace(after, init="", coarse=before.coarse, roi=before.roi) == before
    for stage in STAGES:
        old, new = getattr(before, stage), getattr(after, stage)
        assert (new.channels, new.block_size, new.norm) == (old.channels, old.block_size, old.norm)
        assert new.learning_rate < old.learning_rate


def test_the_quick_try_is_smaller_in_every_way(monkeypatch):
    full = default_settings()
    monkeypatch.setenv("LIVERLIB_FAST", "1")
    fast = default_settings()
    assert fast.phantom.cases < full.phantom.cases and fast.cube.size < full.cube.size
    for stage in STAGES:
        small, large = getattr(fast, stage), getattr(full, stage)
        assert small.epochs * small.steps < large.epochs * large.steps
