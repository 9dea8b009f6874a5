"""Artefacts: where they lie, how strong they are, and that equal draws are equal."""

import numpy as np
import torch
from scipy import ndimage

from liverlib.synthesis import artefacts

EDGE = 48


def grey() -> torch.Tensor:
    return torch.full((1, 1, EDGE, EDGE, EDGE), 0.2)


def test_tubes_run_through_the_patch_but_not_through_a_liver():
    liver = torch.zeros(1, 1, EDGE, EDGE, EDGE)
    liver[..., 10:38, 10:38, 10:38] = 1
    longest = []
    for seed in range(30):
        image = grey()
        artefacts.add_tubes(image, liver, np.random.default_rng(seed))
        assert (image[liver == 1] == 0.2).all()
        assert image.min() >= 0 and image.max() <= 1
        pieces, _ = ndimage.label((image[0, 0] > 0.3).numpy())
        boxes = ndimage.find_objects(pieces)
        longest.append(max((max(s.stop - s.start for s in box) for box in boxes), default=0))
    assert np.median(longest) > 15


def test_clips_are_white_and_their_rays_stay_in_their_slices():
    for seed in range(20):
        image = grey()
        artefacts.add_clips(image, 260.0, np.random.default_rng(seed))
        changed = (image - 0.2).abs()[0, 0]
        white = (image[0, 0] > 0.6).sum((0, 1))
        assert 1 <= white.sum() < 400
        hit = white.nonzero()[:, 0]
        far = [z for z in range(EDGE) if (hit - z).abs().min() > 6]
        assert changed[:, :, far].max() < 1e-3
        rays = changed[:, :, hit[0]]
        assert (rays > 0.01).float().mean() > 0.05  # and reach across it


def test_breathing_moves_each_slice_as_a_whole_back_and_forth():
    moved = torch.zeros(3, EDGE, EDGE, EDGE)
    artefacts.breathe(moved, 1.5, np.random.default_rng(0))
    assert (moved[0] == 0).all() and (moved[2] == 0).all()
    by_slice = moved[1].flatten(0, 1)
    assert (by_slice == by_slice[0]).all()
    assert by_slice[0].min() < 0 < by_slice[0].max() and by_slice.abs().max() <= 2


def test_equal_draws_give_equal_artefacts():
    images = [
        artefacts.add_artefacts(grey(), torch.zeros(1, 1, EDGE, EDGE, EDGE), 2.0, 260.0, random)
        for random in map(np.random.default_rng, (3, 3, 4))
    ]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
    assert all(torch.isfinite(image).all() for image in images)


def test_streaks_run_in_one_direction_in_every_slice():
    """Across them grey values change much faster than along them."""
    ratios = []
    for seed in range(30):
        streak = artefacts.streaks(48, np.random.default_rng(seed))[0, 0]
        assert streak.shape == (48, 48, 48) and torch.isfinite(streak).all()
        assert 0.4 < streak.std() < 1.8
        x, y = torch.gradient(streak[12:36, 12:36, 24])
        tensor = torch.tensor([[(x * x).sum(), (x * y).sum()], [(x * y).sum(), (y * y).sum()]])
        least, most = torch.linalg.eigvalsh(tensor)
        ratios.append((most / least.clamp(min=1e-6)).item())
    assert np.median(ratios) > 10


def test_a_dark_band_runs_straight_through_every_slice():
    """Along it nothing changes, across it much; mostly it runs from one side to the other."""
    sideways = 0
    for seed in range(40):
        band = artefacts.dark_band(48, np.random.default_rng(seed))[0, 0]
        assert band.shape == (48, 48, 48)
        assert band.min() >= 0 and 0.5 < band.max() <= 1 + 1e-6
        x, y = (change.square().sum() for change in torch.gradient(band[:, :, 24]))
        sideways += bool(x < 0.1 * y)
        slices = band[:, :, 12], band[:, :, 36]
        assert all(0.03 < (s > 0.5).float().mean() < 0.5 for s in slices if s.max() > 0.9)
    assert 24 <= sideways < 40


def test_between_arms_the_image_is_darker_and_streaked_and_elsewhere_unchanged():
    correlations = []
    for seed in range(40):
        image = artefacts.arm_artefacts(48, np.random.default_rng(seed))[0, 0]
        darkness, streaked = -image.mean((0, 2)), image.std((0, 2))  # by row
        assert darkness.min() > -1 and darkness.max() < 60
        if darkness.max() > 3 > darkness.min():
            correlations.append(np.corrcoef(darkness, streaked)[0, 1])
    assert len(correlations) > 10 and np.median(correlations) > 0.8
