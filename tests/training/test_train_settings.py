import pytest

from liverlib.core.settings import from_dict, to_dict
from liverlib.models.losses import LOSSES
from liverlib.models.unet import UNet3D
from liverlib.training.settings import ORIGINAL, ROI_DEFAULTS, TrainSettings

ALL = [TrainSettings(), ROI_DEFAULTS, ORIGINAL]


@pytest.mark.parametrize("settings", ALL, ids=["coarse", "roi", "original"])
def test_settings_can_be_trained_with_and_survive_json(settings):
    assert from_dict(TrainSettings, to_dict(settings)) == settings
    assert settings.tumour_fraction + settings.liver_fraction <= 1
    assert settings.loss in LOSSES
    network = UNet3D(settings.channels, settings.block_size, settings.norm)
    assert settings.patch_size % network.divisor == 0


def test_the_original_recipe_is_that_projects_network_and_adam():
    network = UNet3D(ORIGINAL.channels, ORIGINAL.block_size, ORIGINAL.norm)
    assert sum(p.numel() for p in network.parameters()) == 1_355_427
    assert (ORIGINAL.weight_decay, ORIGINAL.ema_decay, ORIGINAL.clip) == (0, 0, 0)
    assert not ORIGINAL.augmented and not ORIGINAL.patch_size
