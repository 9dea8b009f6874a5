"""Phantoms: bodies as people have them, the same for the same seed and index."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom, tumour_count

SMALL = PhantomSettings(cases=3, unlabelled=1, size=48)
PADDING = {-2000, -3024}


@pytest.fixture(scope="module")
def phantoms():
    return [make_phantom(index, SMALL) for index in range(16)]


def centroid(mask, grid):
    return grid.affine[:3, :3] @ np.argwhere(mask).mean(0) + grid.affine[:3, 3]


def test_index_and_seed_alone_decide_the_voxels(phantoms):
    scan, label = make_phantom(3, SMALL)  # after others, and with other numbers of cases
    again, label_again = make_phantom(3, dataclasses.replace(SMALL, cases=99))
    assert np.array_equal(scan.voxels, phantoms[3][0].voxels)
    assert np.array_equal(scan.voxels, again.voxels)
    assert np.array_equal(label.voxels, label_again.voxels)
    assert scan.grid.orientation == again.grid.orientation
    other, _ = make_phantom(3, dataclasses.replace(SMALL, seed=1))
    assert other.voxels.shape != scan.voxels.shape or (other.voxels != scan.voxels).any()


def test_scan_is_int16_hu_and_label_lies_on_its_grid(phantoms):
    for scan, label in phantoms:
        assert scan.voxels.dtype == np.int16 and label.voxels.dtype == np.uint8
        assert scan.voxels.shape[:2] == (48, 48) and 20 < scan.voxels.shape[2] <= 200
        assert label.grid.matches(scan.grid) and label.voxels.shape == scan.voxels.shape
        assert scan.grid.spacing_known
        assert 320 < scan.grid.spacing[0] * 48 < 460
        assert 1 <= scan.grid.spacing[2] <= 6
        assert set(np.unique(label.voxels)) <= {0, 1, 2}


def test_the_liver_is_on_the_right_and_the_spine_behind(phantoms):
    for scan, label in phantoms:
        spine = (scan.voxels > 250) & (np.abs(np.arange(48) - 23.5) < 6)[:, None, None]
        liver, bone = centroid(label.voxels > 0, scan.grid), centroid(spine, scan.grid)
        assert liver[0] > bone[0] + 15
        assert liver[1] > bone[1]


def test_the_lungs_are_above_the_liver(phantoms):
    for scan, label in phantoms:
        body = ndimage.binary_fill_holes(scan.voxels > -300, np.ones((3, 3, 1)))
        airy = (scan.voxels > -960) & (scan.voxels < -720)  # gas in the bowel is nearer -1000
        lung = ndimage.binary_erosion(body & airy)
        if lung[:, :, -4:].sum() > 20:  # else the dome is cut off
            assert np.argwhere(lung)[:, 2].mean() > np.argwhere(label.voxels)[:, 2].mean()


def test_liver_volumes_are_those_of_people(phantoms):
    whole = [(label.voxels > 0).sum() * label.grid.voxel_ml for _, label in phantoms]
    assert 1200 < np.mean(whole) < 2300
    assert all(500 < ml < 3600 for ml in whole)


def test_the_wanted_fraction_has_no_tumour(phantoms):
    free = [tumour_count(index, SMALL) == 0 for index in range(200)]
    assert sum(free) in (29, 30, 31)
    for index, (_, label) in enumerate(phantoms):
        assert (label.voxels == 2).any() == (not free[index])
    everyone = dataclasses.replace(SMALL, tumour_free=0.0)
    assert all(0 < tumour_count(index, everyone) <= 8 for index in range(50))
    assert not any(tumour_count(i, dataclasses.replace(SMALL, tumour_free=1.0)) for i in range(50))


def test_liver_in_the_body_and_tumours_at_the_liver(phantoms):
    for scan, label in phantoms:
        body = ndimage.binary_fill_holes(scan.voxels > -300, np.ones((3, 3, 1)))
        assert body[label.voxels > 0].mean() > 0.98
        lesions, count = ndimage.label(label.voxels == 2)
        near = ndimage.binary_dilation(label.voxels == 1)
        assert all((near & (lesions == k)).any() for k in range(1, count + 1))


def test_tissues_have_their_hounsfield_units(phantoms):
    for scan, label in phantoms:
        liver = ndimage.binary_erosion(label.voxels == 1)
        assert 0 < np.median(scan.voxels[liver]) < 170
        values = scan.voxels[scan.voxels > -1024]
        fat, air = values[(values > -160) & (values < -60)], values[values < -900]
        assert -120 < np.median(fat) < -80 and fat.size > 0.02 * values.size
        assert np.median(air) < -970
        assert values.max() > 300  # bone


def test_tumours_differ_from_the_liver_around_them(phantoms):
    contrasts = []
    for scan, label in phantoms:
        core = ndimage.binary_erosion(label.voxels == 2)
        if core.sum() > 8:
            liver = ndimage.binary_erosion(label.voxels == 1)
            contrasts.append(np.median(scan.voxels[core]) - np.median(scan.voxels[liver]))
    assert len(contrasts) >= 5
    assert np.mean(np.abs(contrasts) > 10) > 0.8
    assert np.mean(np.array(contrasts) < 0) > 0.5  # most are dark


def test_orientations_and_padding_are_mixed(phantoms):
    scans = [scan for scan, _ in phantoms]
    assert {scan.grid.orientation for scan in scans} == {"LAS", "LPS", "RAS"}
    corners = [int(scan.voxels[0, 0, 0]) for scan in scans]
    assert PADDING & set(corners) and any(value >= -1024 for value in corners)
    for scan, corner in zip(scans, corners, strict=True):
        assert scan.voxels[24, 24].min() >= -1024
        assert scan.voxels.min() == corner if corner in PADDING else scan.voxels.min() >= -1024
