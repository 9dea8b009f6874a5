"""Lesions that are added to a liver: tumours, and hard negatives."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liverlib.synthesis.lesion_kinds import LesionKind
from liverlib.synthesis.lesions import (
    LiverPatch,
    add_cysts,
    add_gallbladder,
    add_perfusion_patches,
    add_tumours,
)

LOW, HIGH = -60.0, 200.0  # HU
HU = 100.0  # of the liver
SIZE = 40


def ball(radius: float) -> torch.Tensor:
    """The soft label (1, 1, …) of a liver that is a ball."""
    axes = torch.meshgrid(*[torch.arange(SIZE) - SIZE / 2] * 3, indexing="ij")
    return (sum(axis**2 for axis in axes).sqrt() < radius).float()[None, None]


def liver(radius: float = 14, scale: float = 0.7, **named) -> LiverPatch:
    """Such a liver on dark."""
    label = ball(radius)
    image = label * (HU - LOW) / (HIGH - LOW)
    return LiverPatch(image, label, torch.zeros_like(label), HU, (LOW, HIGH), scale=scale, **named)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_tumours_are_liver_and_everything_else_is_unchanged(seed):
    before, after = liver(), liver()
    add_tumours(after, np.random.default_rng(seed))
    assert after.tumour.max() <= 1 and after.tumour.sum() > 5
    assert (after.tumour <= after.liver).all() and (after.liver >= before.liver).all()
    grown = after.liver > before.liver
    assert (after.tumour[grown] == after.liver[grown]).all()
    far = torch.nn.functional.max_pool3d(after.liver, 11, 1, 5) == 0
    assert torch.equal(after.image[far], before.image[far])
    assert after.image.min() >= 0 and after.image.max() <= 1


def test_where_voxels_are_flat_a_ball_takes_more_of_them_upwards():
    box, axes = liver(18, voxel=(1.6, 1.6, 0.4)).around([20, 20, 20], 7)
    inside = (sum(axis**2 for axis in axes) <= 7**2).numpy()
    assert inside.shape == tuple(side.stop - side.start for side in box)
    assert (np.ptp(np.argwhere(inside), axis=0) // 2).tolist() == [4, 4, 17]


def test_where_the_liver_is_hardly_in_view_there_is_no_tumour():
    small = liver(3)
    add_tumours(small, np.random.default_rng(0))
    assert not small.tumour.any()
    assert torch.equal(small.image, liver(3).image)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_kind_that_does_not_bulge_stays_in_the_liver(seed):
    kind = replace(LesionKind.sample(HU, np.random.default_rng(seed)), bulge=0)
    patient = liver()
    with patch.object(LesionKind, "sample", lambda *_: kind):
        add_tumours(patient, np.random.default_rng(seed))
    assert torch.equal(patient.liver, ball(14))


def test_some_bulge_some_do_not_and_some_fill_much_of_the_liver():
    grown, sizes = [], []
    for seed in range(60):
        patient = liver()
        add_tumours(patient, np.random.default_rng(seed))
        grown.append((patient.liver - ball(14)).sum().item() > 5)
        sizes.append((patient.tumour.sum() / patient.liver.sum()).item())
    assert 0.1 < np.mean(grown) < 0.6
    assert min(sizes) < 0.01 and max(sizes) > 0.3


@pytest.mark.parametrize(
    "add, least, most", [(add_cysts, 80, 110), (add_perfusion_patches, 1, 20.5)]
)
def test_hard_negatives_in_the_liver_change_its_grey_values_alone(add, least, most):
    changed = []
    for seed in range(10):
        patient = liver()
        add(patient, np.random.default_rng(seed))
        assert torch.equal(patient.liver, ball(14)) and not patient.tumour.any()
        difference = (patient.image - liver().image).abs()
        assert not difference[patient.liver == 0].any()
        changed.append(difference.max().item() * (HIGH - LOW))
    assert least < max(changed) < most  # HU


@pytest.mark.parametrize("seed", range(10))
def test_a_gallbladder_lies_half_in_the_livers_lower_face_and_is_none_of_it(seed):
    patient = liver()
    add_gallbladder(patient, np.random.default_rng(seed))
    lost = ball(14) - patient.liver
    assert lost.min() >= 0 and lost.max() > 0.9 and not patient.tumour.any()
    assert (lost * (torch.arange(SIZE) - SIZE / 2)).sum() < 0  # z rises upwards
    changed = patient.image != liver().image
    assert changed[ball(14) == 0].any() and changed[lost > 0.5].all()
    assert not changed[(lost == 0) & (ball(14) > 0)].any()


@pytest.mark.parametrize("add", [add_cysts, add_gallbladder, add_perfusion_patches])
def test_nothing_is_added_without_a_liver(add):
    none = liver(0)
    add(none, np.random.default_rng(0))
    assert torch.equal(none.image, liver(0).image)
