"""Organs, great vessels and the table, where they belong."""

import numpy as np
import pytest
from patients import LOW, SPACING, around, patient

from liverlib.synthesis.phantom.organs import draw_great_vessels, draw_organs, draw_table


@pytest.mark.parametrize("seed", range(3))
def test_the_spleen_lies_left_and_gas_in_front(seed):
    canvas, body, random = patient(seed)
    before = canvas.hu.copy()
    draw_organs(canvas, body, random)
    spleen = around(canvas, (-100, -28, 54))
    assert np.median(spleen) == pytest.approx(body.hu["spleen"], abs=35)
    gas = np.argwhere((canvas.hu < -600) & (before > -300))
    assert gas.size and (LOW[1] + SPACING[1] * gas[:, 1]).mean() > -20


def test_aorta_and_vena_cava_run_through_the_whole_height():
    canvas, body, random = patient(1)
    draw_great_vessels(canvas, body, random)
    for point, tissue in (((-4, -31), "aorta"), ((20, -31), "vena_cava")):
        for z in (-100, -60, -20):
            value = np.median(around(canvas, (*point, z), 2))
            assert value == pytest.approx(body.hu[tissue], abs=40)


def test_the_table_lies_behind_the_patient():
    canvas, _, random = patient(0)
    before = canvas.hu.copy()
    draw_table(canvas, random)
    middle = np.s_[35:65]  # its sides bend forwards
    changed = np.argwhere((canvas.hu != before)[middle])
    back = np.flatnonzero((before[middle] > -300).any((0, 2)))[0]
    assert len(changed) and (changed[:, 1] <= back + 2).all()
