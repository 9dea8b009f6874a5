"""The phantoms' liver: on the right, of a liver's size, in every shape."""

from dataclasses import replace

import numpy as np
import pytest
from patients import LOW, SPACING, patient
from scipy import ndimage

from liverlib.synthesis.phantom.body import LiverAnatomy
from liverlib.synthesis.phantom.liver import LIVER_SHAPES, draw_artery_and_duct, draw_liver


def with_liver(shape: str, seed: int, **unusual):
    canvas, body, random = patient(seed)
    body = replace(body, liver=LiverAnatomy(shape, **unusual))
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


@pytest.mark.parametrize("seed", range(3))
def test_a_left_lobe_reaches_further_left_and_a_caudate_lobe_adds_its_volume(seed):
    masks = {
        name: with_liver("usual", seed, **unusual)[0].liver > 0.5
        for name, unusual in {
            "usual": {}, "far left": {"left_reach": 50}, "caudate": {"caudate": 40},
        }.items()
    }  # fmt: skip
    left = {name: np.argwhere(mask)[:, 0].min() * SPACING[0] for name, mask in masks.items()}
    assert left["far left"] < left["usual"] - 10
    added = masks["caudate"] & ~masks["usual"]
    assert 5 < added.sum() * np.prod(SPACING) / 1000 < 80  # ml; it also fills what is between
    x, y, _ = LOW[:3] + SPACING * np.argwhere(added).mean(0)
    assert abs(x) < 30 and y < 20  # before the spine, behind the hilum


def test_gallbladders_in_their_fossa_are_of_all_sizes_touch_the_liver_and_are_none_of_it():
    volumes, contacts = [], []
    for seed in range(12):
        canvas, *_ = with_liver("usual", seed, gallbladder=True)
        lumen = canvas.gallbladder > 0.5
        volumes.append(lumen.sum() * np.prod(SPACING) / 1000)
        if lumen.any():
            assert not (lumen & (canvas.liver > 0.5)).any()
            near = ndimage.distance_transform_edt(canvas.liver < 0.5, SPACING)
            shell = ndimage.binary_dilation(lumen) & ~lumen
            contacts.append((near[shell] <= 5).mean())
    made = [volume for volume in volumes if volume]
    assert len(made) >= 8 and min(made) < 15 and 30 < max(made) < 120
    assert 0.1 < np.mean(contacts) < 0.9  # of the surface: in people 0.2 to 0.65 within 3 mm


def test_at_the_hilum_the_portal_vein_branches_before_it_enters_the_liver():
    def vein(hilum: bool) -> tuple[int, float]:
        """Voxels of its HU outside the liver, and ml of liver."""
        canvas, body, *_ = with_liver("usual", 2, hilum=hilum)
        near = np.abs(canvas.hu - body.hu["portal_vein"]) < 2
        ml = canvas.liver.sum() * np.prod(SPACING) / 1000
        return (near & (canvas.liver < 0.2)).sum(), ml

    (without, liver), (branches, same) = vein(False), vein(True)
    assert branches > without + 20 and same == pytest.approx(liver, rel=0.02)


def test_vessels_branch_within_the_liver_and_stay_liver():
    canvas, body, portal, random = with_liver(LIVER_SHAPES[0], 1)
    assert len(portal.points) == len(portal.radii) and len(portal.links) > 20
    before = canvas.liver.copy()
    draw_artery_and_duct(canvas, body, portal, random)
    inside = before > 0.99
    lost = inside & (canvas.liver < 0.5)
    assert lost.sum() < 0.01 * inside.sum()  # but for where they enter
