from contextlib import nullcontext

import pytest
import torch

from liverlib.core.device import mixed_precision
from liverlib.models.unet import N_CLASSES, UNet3D, depth_to_space, space_to_depth


def test_the_original_network_is_rebuilt_to_the_parameter():
    network = UNet3D((32, 64, 128), block_size=1, norm=False)
    assert sum(p.numel() for p in network.parameters()) == 1_355_427
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim == 5]
    assert shapes[:2] == [(32, 1, 3, 3, 3), (32, 32, 3, 3, 3)]
    assert shapes[-1] == (N_CLASSES, 32, 1, 1, 1)


def test_space_to_depth_is_undone_by_depth_to_space_and_keeps_neighbours_together():
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).reshape(2, 3, 4, 6, 8)
    deep = space_to_depth(x, 2)
    assert deep.shape == (2, 24, 2, 3, 4)
    assert torch.equal(depth_to_space(deep, 2), x)
    assert set(deep[0, :8, 0, 0, 0].tolist()) == set(x[0, 0, :2, :2, :2].flatten().tolist())


@pytest.mark.parametrize("kind", [{}, {"channels": (8, 16), "block_size": 1, "norm": False}])
def test_logits_have_the_shape_of_the_image(kind):
    network = UNet3D(**kind)
    size = 2 * network.divisor
    image = torch.zeros(2, 1, size, size, 2 * size)
    assert network(image).shape == (2, N_CLASSES, size, size, 2 * size)


def test_a_network_is_rebuilt_from_its_shape():
    network = UNet3D((4, 8), block_size=4, norm=False)
    assert UNet3D(**network.shape).shape == network.shape
    assert network.divisor == 8


def test_every_parameter_learns():
    network = UNet3D((4, 8))
    network(torch.randn(1, 1, 16, 16, 16)).square().mean().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


@pytest.mark.parametrize("edge", [32, 48, 64])
def test_lower_precision_keeps_the_gradients(edge):
    """At every depth that patches lead to; torch 2.13's bfloat16 fails on CPUs at 2×2×2 voxels."""
    torch.manual_seed(0)
    network, image = UNet3D(), torch.rand(1, 1, edge, edge, edge)
    gradients = []
    for lower in (False, True):
        network.zero_grad()
        deepest = edge // network.divisor
        with mixed_precision(torch.device("cpu"), deepest) if lower else nullcontext():
            logits = network(image)
        logits.float().square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    full, mixed = gradients
    assert (full - mixed).norm() < 0.1 * full.norm()
