"""What is drawn into a liver: tumours, and what only looks like one."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.tumours import Kind, draw_cysts, draw_patches, draw_tumours

WINDOW = (-60.0, 200.0)
LIVER = 100.0  # HU
SIZE = 40


def ball(radius: float) -> torch.Tensor:
    """The liver's share (1, 1, …) of a cube in which it is a ball."""
    axes = torch.meshgrid(*[torch.arange(SIZE) - SIZE / 2] * 3, indexing="ij")
    return (sum(axis**2 for axis in axes).sqrt() < radius).float()[None, None]


def image_of(share: torch.Tensor) -> torch.Tensor:
    """Liver on dark."""
    return share * (LIVER - WINDOW[0]) / (WINDOW[1] - WINDOW[0])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_tumours_are_liver_and_the_rest_stays_as_it_was(seed):
    before = ball(14)
    image, share = image_of(before), before.clone()
    tumour = draw_tumours(image, share, LIVER, WINDOW, 0.7, np.random.default_rng(seed))
    assert tumour.max() <= 1 and tumour.sum() > 5
    assert (tumour <= share).all() and (share >= before).all()
    grown = share > before
    assert (tumour[grown] == share[grown]).all()
    far = torch.nn.functional.max_pool3d(share, 11, 1, 5) == 0
    assert torch.equal(image[far], image_of(before)[far])
    assert image.min() >= 0 and image.max() <= 1


def test_where_there_is_hardly_a_liver_there_is_no_tumour():
    share = ball(3)
    image = image_of(share)
    tumour = draw_tumours(image, share, LIVER, WINDOW, 0.7, np.random.default_rng(0))
    assert not tumour.any()
    assert torch.equal(image, image_of(ball(3)))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_kind_that_does_not_bulge_stays_in_the_liver(seed):
    kind = replace(Kind.any(LIVER, np.random.default_rng(seed)), bulge=0)
    share = ball(14)
    with patch.object(Kind, "any", lambda *_: kind):
        draw_tumours(image_of(share), share, LIVER, WINDOW, 0.7, np.random.default_rng(seed))
    assert torch.equal(share, ball(14))


def test_some_bulge_some_do_not_and_some_fill_much_of_the_liver():
    grown, sizes = [], []
    for seed in range(60):
        share = ball(14)
        tumour = draw_tumours(
            image_of(share), share, LIVER, WINDOW, 0.7, np.random.default_rng(seed)
        )
        grown.append((share - ball(14)).sum().item() > 5)
        sizes.append((tumour.sum() / share.sum()).item())
    assert 0.1 < np.mean(grown) < 0.6
    assert min(sizes) < 0.01 and max(sizes) > 0.3


@pytest.mark.parametrize("liver", [20.0, 60.0, 110.0])
def test_kinds_are_darker_or_brighter_and_never_as_the_liver(liver):
    random = np.random.default_rng(0)
    contrasts = np.array([Kind.any(liver, random).contrast for _ in range(300)])
    assert np.abs(contrasts).min() >= 10
    assert (liver + contrasts).min() > -20  # HU: nothing is fat
    bright = (contrasts > 0).mean()
    assert 0.35 < bright < 0.65 if liver < 45 else 0.1 < bright < 0.3


@pytest.mark.parametrize("draw", ["cysts", "patches"])
def test_what_only_looks_like_a_tumour_changes_the_liver_alone(draw):
    changed = []
    for seed in range(10):
        share = ball(14)
        image, random = image_of(share), np.random.default_rng(seed)
        if draw == "cysts":
            draw_cysts(image, share, WINDOW, random)
        else:
            draw_patches(image, share, LIVER, WINDOW, random)
        assert torch.equal(share, ball(14))
        apart = (image - image_of(share)).abs()
        assert not apart[share == 0].any()
        changed.append(apart.max().item() * (WINDOW[1] - WINDOW[0]))
    if draw == "cysts":
        assert max(changed) > 80  # HU: water in a bright liver
    else:
        assert 1 < max(changed) <= 20.5


def test_nothing_is_drawn_where_there_is_no_liver():
    share = torch.zeros(1, 1, SIZE, SIZE, SIZE)
    image = torch.rand(1, 1, SIZE, SIZE, SIZE)
    before = image.clone()
    draw_cysts(image, share, WINDOW, np.random.default_rng(0))
    draw_patches(image, share, LIVER, WINDOW, np.random.default_rng(0))
    assert torch.equal(image, before)
