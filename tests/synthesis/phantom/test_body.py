"""Trunk, lungs and heart, by millimetres of the patient."""

import numpy as np
import pytest
from patients import LOW, SPACING, around, patient

from liverlib.synthesis.phantom.body import PHASES, TISSUE_HU, draw_heart


@pytest.mark.parametrize("seed", range(4))
def test_there_is_air_outside_fat_below_the_skin_and_lung_above_the_domes(seed):
    canvas, body, _ = patient(seed)
    assert (canvas.hu[:2] == -1000).all() and (canvas.hu[-2:] == -1000).all()
    inside = canvas.hu > -300
    assert 0.15 < inside.mean() < 0.6
    lungs = np.argwhere((canvas.hu < -700) & (canvas.hu > -999))
    z, x = LOW[2] + SPACING[2] * lungs[:, 2], LOW[0] + SPACING[0] * lungs[:, 0]
    assert len(lungs) and (z > -20).mean() > 0.85  # the rest: skin that fades into air
    assert 0.2 < (x > 0).mean() < 0.8  # on both sides
    assert abs(np.median(around(canvas, (0, 30, -60))) - body.hu["fat"]) < 30  # no organs yet


def test_more_fat_makes_a_wider_body():
    widths = [(patient(1, fat)[0].hu > -300).any((1, 2)).sum() for fat in (5, 40)]
    assert widths[0] + 10 < widths[1]


def test_every_phase_occurs_and_the_tissues_follow_it():
    by_phase = {phase: [] for phase in PHASES}
    for seed in range(40):
        _, body, _ = patient(seed)
        by_phase[body.phase].append(body.hu)
    assert all(by_phase.values())
    for column, phase in enumerate(PHASES):
        for tissue in ("aorta", "spleen"):
            mean = np.mean([hu[tissue] for hu in by_phase[phase]])
            assert mean == pytest.approx(TISSUE_HU[tissue][column], rel=0.25)


def test_the_heart_lies_on_the_left_dome():
    canvas, body, random = patient(2)
    draw_heart(canvas, body, random)
    blood = around(canvas, (-18, 30, body.dome[1] + 42))
    assert np.median(blood) == pytest.approx(body.hu["heart"], abs=25)
