import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.training.augment import augment, implant, warp


def ball(size: int, radius: float) -> torch.Tensor:
    """(S, S, S): 1 within a radius in half edges."""
    axes = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, size)] * 3, indexing="ij"))
    return (axes.square().sum(0) < radius).float()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_changes_keep_image_and_soft_labels_together(seed):
    """A ball that is bright exactly where it is liver stays so, whatever the affine."""
    liver = ball(24, 0.3)[None, None]
    soft_labels = torch.cat([liver, torch.zeros_like(liver)], 1)
    image, changed = augment(liver * 0.4 + 0.3, soft_labels, torch.Generator().manual_seed(seed))
    inside, outside = image[changed[:, :1] > 0.95], image[changed[:, :1] < 0.05]
    assert inside.mean() > outside.mean() + 0.2
    assert changed.shape == soft_labels.shape
    assert 0 <= changed.min() <= changed.max() <= 1 + 1e-6


def test_equal_seeds_give_equal_changes():
    x, y = torch.rand(2, 1, 8, 8, 8), torch.rand(2, 2, 8, 8, 8)
    first, second = (augment(x, y, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("seed", range(5))
def test_a_warp_never_mirrors(seed):
    """The brightest corner stays the brightest: the liver lies right."""
    x, y, z = torch.meshgrid(*[torch.linspace(-0.5, 0.5, 16)] * 3, indexing="ij")
    image = (x + y + z)[None, None]
    image, _ = warp(image, torch.zeros(1, 2, 16, 16, 16), torch.Generator().manual_seed(seed))
    for axis in (2, 3, 4):
        assert image.narrow(axis, 15, 1).mean() > image.narrow(axis, 0, 1).mean()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_synthetic_tumours_lie_in_the_liver_and_change_nothing_else(seed):
    liver = ball(32, 0.5)
    soft_labels = torch.zeros(2, 2, 32, 32, 32)
    soft_labels[0, 0] = liver  # the second sample shows no liver
    image = torch.rand(2, 1, 32, 32, 32)
    changed, labels = implant(image, soft_labels, torch.Generator().manual_seed(seed))
    outside = (liver == 0).expand(2, 1, -1, -1, -1)
    assert torch.equal(changed[outside], image[outside])
    assert torch.equal(changed[1], image[1])
    assert torch.equal(labels[:, 0], soft_labels[:, 0])
    assert labels[0, 1].sum() > 5
    assert not labels[0, 1][liver == 0].any()
    assert not torch.equal(changed[0], image[0])
