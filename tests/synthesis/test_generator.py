"""Synthetic scans: what a draw depends on, and what it shows."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from liverlib.core.errors import LiverlibError
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings
from liverlib.synthesis import generator
from liverlib.synthesis.generator import SyntheticScans

SPACING = 4.0
BODY = CubeSettings(size=64)
LIVER = CubeSettings(size=64, crop="liver", window=ROI_WINDOW)


@pytest.mark.parametrize("cube", [BODY, LIVER], ids=["body", "liver"])
def test_a_draw_depends_on_the_seed_and_its_number_alone(paths, cube):
    def scans(paths=paths, **named) -> SyntheticScans:
        return SyntheticScans(paths, SPACING, cube, 32, 0.5, **named)

    image, soft_labels = scans().batch([3, 4])
    assert image.shape == (2, 1, 32, 32, 32) and soft_labels.shape == (2, 2, 32, 32, 32)
    assert image.dtype == soft_labels.dtype == torch.uint8
    late, _ = scans().batch([4])
    assert torch.equal(late[0], image[1])
    other, _ = scans(seed=1).batch([4])
    assert not torch.equal(other[0], image[1])
    twice, _ = scans(paths[:1]).batch([0, 1])
    assert not torch.equal(twice[0], twice[1])  # of the same label map


def test_it_is_a_source_of_batches(paths):
    scans = SyntheticScans(paths, SPACING, LIVER, 32)
    assert len(scans) == 2 and scans.edge == 32 and scans.lesions
    assert SyntheticScans(paths, SPACING, LIVER).edge == 64
    assert SyntheticScans(paths, SPACING, LIVER, 200).edge == 64


def test_whole_scans_are_refused(paths):
    with pytest.raises(LiverlibError, match=r"the body or liver, not with cube\.crop=all"):
        SyntheticScans(paths, SPACING, replace(BODY, crop="all"))


def test_tumours_lie_in_the_liver_in_about_two_of_three_patches(paths):
    _, soft_labels = SyntheticScans(paths, SPACING, LIVER, 32, 1.0).batch(range(60))
    liver, tumour = soft_labels.transpose(0, 1).int()
    assert (tumour <= liver).all()
    full = (liver > 230).sum((1, 2, 3)) > 3000
    with_tumour = (tumour > 127).sum((1, 2, 3)) > 0
    assert full.sum() > 20
    assert 0.45 < (with_tumour & full).sum() / full.sum() < 0.85


def test_patches_lie_in_the_liver_as_often_as_asked(paths):
    def liver_in_view(fraction: float) -> float:
        _, soft_labels = SyntheticScans(paths, SPACING, BODY, 16, fraction).batch(range(20))
        return (soft_labels[:, 0] > 127).flatten(1).any(1).float().mean().item()

    assert liver_in_view(1.0) > 0.8 > 0.6 > liver_in_view(0.0)


def test_the_livers_cube_holds_all_of_it_at_mid_grey(paths):
    """As of a real scan: the box is the liver's, and grey values are counted from its median."""
    with (
        patch.object(generator, "add_tumours", lambda *_: None),
        patch.object(SyntheticScans, "_start", lambda *_: np.zeros(3)),
    ):
        image, soft_labels = SyntheticScans(paths, SPACING, LIVER).batch(range(12))
    liver = soft_labels[:, 0] > 200
    greys = [image[n, 0][liver[n]].float().median().item() for n in range(12)]
    assert np.median(greys) == pytest.approx(127, abs=12)
    for mask in liver:
        voxels = mask.nonzero()
        assert (voxels.max(0).values - voxels.min(0).values > 64 * 0.55).all()
        for across in (mask.any(2).any(1), mask.any(2).any(0)):  # right to left, back to front
            assert not (across[0] and across[-1])


def test_the_soft_labels_are_fractions_of_voxels(paths):
    with patch.object(generator, "_add_lesions", lambda *_: None):
        _, soft_labels = SyntheticScans(paths, SPACING, LIVER, 32, 1.0).batch(range(4))
    quarters = [round(255 * n / len(generator.SUBVOXEL)) for n in range(5)]
    assert set(soft_labels.unique().tolist()) <= {*quarters, 64, 191, 128, 127}
    assert len(soft_labels.unique()) > 2


def test_a_clean_draw_becomes_the_scan_by_lesions_and_artefacts_alone(paths):
    """What notebook 08 shows step by step is what a training sees."""
    scans = SyntheticScans(paths, SPACING, LIVER, 32, 1.0)
    for draw in range(6):
        patch, slice_mm, random = scans.clean(draw)
        assert not patch.tumour.any() and patch.image.min() >= 0 and patch.image.max() <= 1
        assert slice_mm > 0
        before = patch.image.clone()
        generator._add_lesions(patch, random)
        low, high = patch.window
        image = generator.add_artefacts(patch.image, patch.liver, slice_mm, high - low, random)
        made, _ = scans.batch([draw])
        assert torch.equal((image.clamp(0, 1) * 255).round().to(torch.uint8), made)
        assert not torch.equal(before, image)
