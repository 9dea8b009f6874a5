"""Kinds of tumours: how bright each may be, in which phase."""

import numpy as np
import pytest

from liverlib.synthesis.lesion_kinds import LesionKind
from liverlib.synthesis.phantom.body import PHASES


def contrasts(hu: float, phase: str) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.array([LesionKind.sample(hu, random, phase).contrast for _ in range(400)])


@pytest.mark.parametrize("hu", [20.0, 60.0, 110.0])
@pytest.mark.parametrize("phase", PHASES)
def test_a_kind_is_never_as_the_liver_nor_as_dark_as_bile(hu, phase):
    values = contrasts(hu, phase)
    assert np.abs(values).min() >= 5
    assert (hu + values).min() >= min(hu - 10, 15)


def test_tumours_are_brighter_in_the_arterial_phase_and_darker_afterwards():
    bright = {phase: (contrasts(70, phase) > 0).mean() for phase in PHASES}
    assert 0.3 < bright["arterial"] < 0.7
    assert 0.03 < bright["portal venous"] < 0.3 and bright["non-contrast"] < 0.3
    assert bright["delayed"] < bright["arterial"]


def test_beside_a_fatty_liver_more_of_them_are_bright():
    fatty, usual = contrasts(30, "portal venous"), contrasts(100, "portal venous")
    assert (fatty > 0).mean() > 0.2 + (usual > 0).mean()


def test_carcinomas_have_a_mosaic_and_some_lesions_a_dead_centre_or_bright_spots():
    random = np.random.default_rng(1)
    kinds = [LesionKind.sample(70, random, "arterial") for _ in range(300)]
    for feature in ("mosaic", "necrosis", "spots", "rim", "lobes", "bulge"):
        share = np.mean([bool(getattr(kind, feature)) for kind in kinds])
        assert 0.03 < share < 0.8, feature
