"""Slices with a false distance are noticed by the vertebrae; others are not."""

from dataclasses import replace

import numpy as np
import pytest

from liverlib.inference.quality.geometry import Sample
from liverlib.inference.quality.spine import check_spine, periodicity
from liverlib.io.volume import Grid


def told(scan, factor):
    """What is said of the scan with so many times its distance of slices in the header."""
    affine = np.diag([*(scan.grid.spacing * [1, 1, factor]), 1.0])
    scan = replace(scan, grid=Grid.of(scan.grid.shape, affine))
    return [reason.text for reason in check_spine(scan, Sample.of(scan))]


@pytest.mark.parametrize("mm", [1, 2.5, 5])
@pytest.mark.parametrize("pitch", [28, 36, 42])
def test_what_repeats_is_told_from_noise(pitch, mm):
    random = np.random.default_rng(0)
    heights = mm * np.arange(240 / mm)
    noise = random.normal(0, 1, (200, len(heights)))
    wave = np.cos(2 * np.pi * heights / pitch + random.uniform(0, 6, (200, 1)))
    strength, found = periodicity((noise + 2 * wave).astype(np.float32), mm)
    assert found == pytest.approx(pitch, abs=1) and strength > 0.7
    assert periodicity(noise.astype(np.float32), mm)[0] < 0.25


def test_a_few_slices_tell_nothing():
    assert np.isnan(periodicity(np.ones((5, 10), np.float32), 3.0)[0])
    assert np.isnan(periodicity(np.ones((5, 1), np.float32), 3.0)[0])


def test_phantoms_are_believed_and_half_and_twice_their_distance_is_mostly_not(phantoms):
    scans = [scan for scan, _ in phantoms]
    assert [told(scan, 1) for scan in scans] == [[]] * len(scans)
    for factor, name in ((0.5, "half"), (2, "twice")):
        texts = [text for scan in scans for text in told(scan, factor)]
        assert sum(f"slices seems to be {name} the true one" in text for text in texts) >= 7


def test_real_scans_are_believed(real_scans):
    assert [told(scan, 1) for scan in real_scans] == [[]] * len(real_scans)


def test_an_unknown_size_of_voxels_says_nothing(phantoms):
    scan = phantoms[0][0]
    unknown = replace(scan, grid=Grid.of(scan.grid.shape, np.eye(4)))
    assert not unknown.grid.spacing_known
    assert check_spine(unknown, Sample.of(scan)) == []
