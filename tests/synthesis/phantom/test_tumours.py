"""Tumours of phantoms: in the liver, of the sizes that are asked for."""

import numpy as np
import pytest
from scipy import ndimage

from liverlib.synthesis.phantom.body import make_body
from liverlib.synthesis.phantom.canvas import Canvas
from liverlib.synthesis.phantom.sdf import ellipsoid
from liverlib.synthesis.phantom.tumours import draw_tumours

SHAPE, SPACING = (60, 60, 50), (2.5, 2.5, 3.0)


@pytest.fixture
def patient():
    """A canvas with a ball of liver, and the body that it belongs to."""
    random = np.random.default_rng(1)
    centred = np.eye(3), -np.array(SHAPE) * SPACING / 2
    canvas = Canvas(SHAPE, SPACING, centred, 0.0, random.spawn(1)[0])
    body = make_body(canvas, 20, random)
    region = canvas.lattice
    liver = canvas.at_voxels(region, ellipsoid(region, (0, 0, 0), (55, 55, 55)))
    canvas.paint_liver(liver, body.hu["liver"], 0)
    return canvas, body


@pytest.mark.parametrize("seed", range(4))
def test_tumours_lie_in_the_liver_and_change_nothing_else(patient, seed):
    canvas, body = patient
    before, liver = canvas.hu.copy(), canvas.liver.copy()
    draw_tumours(canvas, body, 3, np.random.default_rng(seed))
    np.testing.assert_array_equal(canvas.liver, liver)
    assert (canvas.tumour <= liver).all()
    _, count = ndimage.label(canvas.tumour > 0.5)
    assert 1 <= count <= 3
    np.testing.assert_array_equal(canvas.hu[liver == 0], before[liver == 0])
    assert np.abs(canvas.hu - before)[canvas.tumour > 0.5].max() > 8


def test_the_first_tumour_is_never_tiny_and_none_is_wider_than_60_mm(patient):
    canvas, body = patient
    volumes = []
    for seed in range(12):
        canvas.tumour[:] = 0
        draw_tumours(canvas, body, 1, np.random.default_rng(seed))
        volumes.append(canvas.tumour.sum() * np.prod(SPACING))
    ball = 4 / 3 * np.pi * np.array([10, 30]) ** 3  # mm³
    assert 0.2 * ball[0] < min(volumes) and max(volumes) < 2.5 * ball[1]


def test_tumours_have_the_diameters_that_are_asked_for(patient):
    """A ball of 20 to 22 mm is 220 to 300 voxels here; lobes and bumps add to it."""
    canvas, body = patient
    for seed in range(12):
        canvas.tumour[:] = 0
        draw_tumours(canvas, body, 1, np.random.default_rng(seed), diameters=(20, 22))
        volume = canvas.tumour.sum() * np.prod(SPACING)
        assert 0.3 < volume / (4 / 3 * np.pi * 10.5**3) < 2.5


@pytest.mark.parametrize("seed", range(4))
def test_bright_tumours_are_brighter_than_the_liver(patient, seed):
    canvas, body = patient
    before = canvas.hu.copy()
    draw_tumours(canvas, body, 2, np.random.default_rng(seed), bright=True)
    assert 5 < np.median((canvas.hu - before)[canvas.tumour > 0.9]) < 40


def test_without_a_liver_there_is_no_tumour(patient):
    canvas, body = patient
    canvas.liver[:] = 0
    draw_tumours(canvas, body, 2, np.random.default_rng(0))
    assert not canvas.tumour.any()
