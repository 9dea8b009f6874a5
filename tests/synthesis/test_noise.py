"""Random fields, beside what torch gives for three axes at once."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from liverlib.synthesis.noise import (
    local_mean,
    smooth_noise,
    thick_slices,
    upsample,
    white_noise,
)

BLOCK = torch.randn(1, 2, 12, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("edge", [1, 7, 12, 40])
def test_upsampling_is_trilinear_interpolation_from_corner_to_corner(edge):
    expected = F.interpolate(BLOCK, (edge,) * 3, mode="trilinear", align_corners=True)
    torch.testing.assert_close(upsample(BLOCK, edge), expected)
    torch.testing.assert_close(upsample(BLOCK[0], edge), expected[0])


@pytest.mark.parametrize("count", [1, 5, 12])
def test_thick_slices_show_the_mean_of_what_they_cover(count):
    slices = F.interpolate(BLOCK, (12, 12, count), mode="area")
    expected = F.interpolate(slices, (12, 12, 12), mode="trilinear")
    torch.testing.assert_close(thick_slices(BLOCK, count), expected)


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_the_local_mean_is_a_box_filter(radius):
    expected = F.avg_pool3d(BLOCK, 2 * radius + 1, 1, radius)
    torch.testing.assert_close(local_mean(BLOCK, radius), expected)


def test_noise_depends_on_its_generator_alone_and_is_as_smooth_as_asked():
    def fields() -> tuple[torch.Tensor, torch.Tensor]:
        random = np.random.default_rng(3)
        return white_noise((1, 1, 64, 64, 64), random), smooth_noise(64, 8, random)

    rough, even = fields()
    assert all(torch.equal(*pair) for pair in zip(fields(), (rough, even), strict=True))
    assert rough.std().item() == pytest.approx(1, abs=0.02)
    assert even.std().item() == pytest.approx(1, abs=0.3)
    steps = [field.diff(dim=-1).std().item() for field in (rough, even)]
    assert steps[0] > 1.3 and steps[1] < 0.4
