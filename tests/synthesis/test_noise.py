"""Values over a block of voxels, beside what torch gives for three axes at once."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from liverlib.synthesis.noise import local_mean, sliced, smooth, stretched, white

BLOCK = torch.randn(1, 2, 12, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("edge", [1, 7, 12, 40])
def test_stretched_is_trilinear_interpolation_from_corner_to_corner(edge):
    expected = F.interpolate(BLOCK, (edge,) * 3, mode="trilinear", align_corners=True)
    torch.testing.assert_close(stretched(BLOCK, edge), expected)
    torch.testing.assert_close(stretched(BLOCK[0], edge), expected[0])


@pytest.mark.parametrize("count", [1, 5, 12])
def test_slices_show_the_mean_of_what_they_cover(count):
    slices = F.interpolate(BLOCK, (12, 12, count), mode="area")
    expected = F.interpolate(slices, (12, 12, 12), mode="trilinear")
    torch.testing.assert_close(sliced(BLOCK, count), expected)


@pytest.mark.parametrize("reach", [0, 1, 4])
def test_the_local_mean_is_a_box_filter(reach):
    expected = F.avg_pool3d(BLOCK, 2 * reach + 1, 1, reach)
    torch.testing.assert_close(local_mean(BLOCK, reach), expected)


def test_noise_depends_on_its_generator_alone_and_is_as_smooth_as_said():
    def made() -> tuple[torch.Tensor, torch.Tensor]:
        random = np.random.default_rng(3)
        return white((1, 1, 64, 64, 64), random), smooth(64, 8, random)

    rough, even = made()
    assert all(torch.equal(*pair) for pair in zip(made(), (rough, even), strict=True))
    assert rough.std().item() == pytest.approx(1, abs=0.02)
    assert even.std().item() == pytest.approx(1, abs=0.3)
    steps = [one.diff(dim=-1).std().item() for one in (rough, even)]
    assert steps[0] > 1.3 and steps[1] < 0.4
