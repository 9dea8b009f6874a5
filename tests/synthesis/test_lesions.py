"""What is drawn into a liver: tumours, and what only looks like one."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.synthesis.lesions import (
    Kind,
    Liver,
    draw_cysts,
    draw_gallbladder,
    draw_patches,
    draw_tumours,
)

LOW, HIGH = -60.0, 200.0  # HU
HU = 100.0  # of the liver
SIZE = 40


def ball(radius: float) -> torch.Tensor:
    """The share of a liver (1, 1, …) that is a ball."""
    axes = torch.meshgrid(*[torch.arange(SIZE) - SIZE / 2] * 3, indexing="ij")
    return (sum(axis**2 for axis in axes).sqrt() < radius).float()[None, None]


def liver(radius: float = 14, scale: float = 0.7, **named) -> Liver:
    """Such a liver on dark."""
    share = ball(radius)
    image = share * (HU - LOW) / (HIGH - LOW)
    return Liver(image, share, torch.zeros_like(share), HU, (LOW, HIGH), scale=scale, **named)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_tumours_are_liver_and_the_rest_stays_as_it_was(seed):
    before, after = liver(), liver()
    draw_tumours(after, np.random.default_rng(seed))
    assert after.tumour.max() <= 1 and after.tumour.sum() > 5
    assert (after.tumour <= after.share).all() and (after.share >= before.share).all()
    grown = after.share > before.share
    assert (after.tumour[grown] == after.share[grown]).all()
    far = torch.nn.functional.max_pool3d(after.share, 11, 1, 5) == 0
    assert torch.equal(after.image[far], before.image[far])
    assert after.image.min() >= 0 and after.image.max() <= 1


def test_where_voxels_are_flat_a_ball_takes_more_of_them_upwards():
    one = liver(18, voxel=(1.6, 1.6, 0.4))
    box, axes = one.around([20, 20, 20], 7)
    ball = (sum(axis**2 for axis in axes) <= 7**2).numpy()
    assert ball.shape == tuple(place.stop - place.start for place in box)
    assert (np.ptp(np.argwhere(ball), axis=0) // 2).tolist() == [4, 4, 17]


def test_where_there_is_hardly_a_liver_there_is_no_tumour():
    small = liver(3)
    draw_tumours(small, np.random.default_rng(0))
    assert not small.tumour.any()
    assert torch.equal(small.image, liver(3).image)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_kind_that_does_not_bulge_stays_in_the_liver(seed):
    kind = replace(Kind.any(HU, np.random.default_rng(seed)), bulge=0)
    one = liver()
    with patch.object(Kind, "any", lambda *_: kind):
        draw_tumours(one, np.random.default_rng(seed))
    assert torch.equal(one.share, ball(14))


def test_some_bulge_some_do_not_and_some_fill_much_of_the_liver():
    grown, sizes = [], []
    for seed in range(60):
        one = liver()
        draw_tumours(one, np.random.default_rng(seed))
        grown.append((one.share - ball(14)).sum().item() > 5)
        sizes.append((one.tumour.sum() / one.share.sum()).item())
    assert 0.1 < np.mean(grown) < 0.6
    assert min(sizes) < 0.01 and max(sizes) > 0.3


@pytest.mark.parametrize("hu", [20.0, 60.0, 110.0])
def test_kinds_are_darker_or_brighter_and_never_as_the_liver(hu):
    random = np.random.default_rng(0)
    contrasts = np.array([Kind.any(hu, random).contrast for _ in range(300)])
    assert np.abs(contrasts).min() >= 8
    assert (hu + contrasts).min() > -20  # nothing is fat
    bright = (contrasts > 0).mean()
    assert 0.35 < bright < 0.65 if hu < 45 else 0.1 < bright < 0.3


@pytest.mark.parametrize("draw, least, most", [(draw_cysts, 80, 110), (draw_patches, 1, 20.5)])
def test_what_only_looks_like_a_tumour_changes_the_livers_grey_alone(draw, least, most):
    changed = []
    for seed in range(10):
        one = liver()
        draw(one, np.random.default_rng(seed))
        assert torch.equal(one.share, ball(14)) and not one.tumour.any()
        apart = (one.image - liver().image).abs()
        assert not apart[one.share == 0].any()
        changed.append(apart.max().item() * (HIGH - LOW))
    assert least < max(changed) < most  # HU


@pytest.mark.parametrize("seed", range(10))
def test_a_gallbladder_lies_half_in_the_livers_lower_face_and_is_none_of_it(seed):
    one = liver()
    draw_gallbladder(one, np.random.default_rng(seed))
    lost = ball(14) - one.share
    assert lost.min() >= 0 and lost.max() > 0.9 and not one.tumour.any()
    assert (lost * (torch.arange(SIZE) - SIZE / 2)).sum() < 0  # z rises upwards
    changed = one.image != liver().image
    assert changed[ball(14) == 0].any() and changed[lost > 0.5].all()
    assert not changed[(lost == 0) & (ball(14) > 0)].any()


@pytest.mark.parametrize("draw", [draw_cysts, draw_gallbladder, draw_patches])
def test_nothing_is_drawn_where_there_is_no_liver(draw):
    none = liver(0)
    draw(none, np.random.default_rng(0))
    assert torch.equal(none.image, liver(0).image)
