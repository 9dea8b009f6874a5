"""The phantoms' liver: on the right, of a liver's size, in every shape."""

from dataclasses import replace

import numpy as np
import pytest
from patients import LOW, SPACING, patient

from liverlib.synthesis.phantom.liver import LIVER_SHAPES, draw_artery_and_duct, draw_liver


def with_liver(shape: str, seed: int):
    canvas, body, random = patient(seed)
    body = replace(body, liver_shape=shape)
    return canvas, body, draw_liver(canvas, body, random), random


@pytest.mark.parametrize("seed", range(4))
def test_a_liver_has_a_livers_size_and_lies_on_the_right(seed):
    canvas, body, _, _ = with_liver(LIVER_SHAPES[0], seed)
    ml = canvas.liver.sum() * np.prod(SPACING) / 1000
    assert 600 < ml < 3500
    x = LOW[0] + SPACING[0] * np.argwhere(canvas.liver > 0.5)[:, 0]
    assert x.mean() > 20 and (x > 0).mean() > 0.6
    assert np.median(canvas.hu[canvas.liver > 0.9]) == pytest.approx(body.hu["liver"], abs=12)


def test_each_shape_is_another_one():
    volumes = {
        shape: np.mean([with_liver(shape, seed)[0].liver.sum() for seed in range(3)])
        for shape in LIVER_SHAPES
    }
    usual = volumes[LIVER_SHAPES[0]]
    assert all(
        volumes[shape] < usual for shape in volumes if "resected" in shape or shape == "small"
    )
    assert all(volumes[shape] != usual for shape in LIVER_SHAPES[1:])


def test_vessels_branch_within_the_liver_and_stay_liver():
    canvas, body, portal, random = with_liver(LIVER_SHAPES[0], 1)
    assert len(portal.points) == len(portal.radii) and len(portal.links) > 20
    before = canvas.liver.copy()
    draw_artery_and_duct(canvas, body, portal, random)
    inside = before > 0.99
    lost = inside & (canvas.liver < 0.5)
    assert lost.sum() < 0.01 * inside.sum()  # but for where they enter
