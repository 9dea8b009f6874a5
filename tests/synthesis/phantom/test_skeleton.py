"""Bones, where a patient has them."""

import numpy as np
import pytest
from patients import around, patient

from liverlib.synthesis.phantom.skeleton import draw_skeleton


@pytest.mark.parametrize("seed", range(3))
def test_the_spine_runs_behind_and_the_ribs_around(seed):
    canvas, body, random = patient(seed)
    before = canvas.hu.copy()
    draw_skeleton(canvas, body, random)
    heights = np.arange(-120, 130, 20)
    spine = [around(canvas, (0, -57, z), 14).max() for z in heights]
    assert min(spine) > 60 and np.mean(spine) > body.bone
    bone = canvas.hu > 250
    assert bone[:30].any() and bone[-30:].any()  # ribs at both sides
    assert (canvas.hu[before == -1000] == -1000).mean() > 0.999  # none outside the body


def test_cartilage_joins_the_ribs_in_front_where_it_is_asked_for():
    front = []
    for cartilage in (False, True):
        canvas, body, random = patient(1)
        draw_skeleton(canvas, body, random, cartilage=cartilage)
        front.append(np.count_nonzero(canvas.hu[40:60, 60:] > 60))
    assert front[1] > front[0]
