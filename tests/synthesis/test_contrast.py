"""Random contrasts of a label map's tissues, and hard negatives among them."""

from unittest.mock import patch

import numpy as np
import pytest
from safetensors.numpy import load_file

from liverlib.synthesis import contrast
from liverlib.synthesis.label_maps import ORGANS
from liverlib.synthesis.phantom.body import PHASES, SUBCUTANEOUS_FAT_TEXTURE


@pytest.fixture(scope="module")
def table(paths) -> np.ndarray:
    return load_file(paths[0])["table"]


def test_every_contrast_occurs(table):
    liver = contrast.parenchyma(table)
    assert table[liver, 2] == 1
    sampled = [contrast.sample_contrast(table, np.random.default_rng(n)).hu for n in range(200)]
    assert np.std([hu[liver] for hu in sampled]) > 10
    vessels = (table[:, 2] > 0) & (np.arange(len(table)) != liver)
    brighter = np.array([hu[vessels].mean() > hu[liver] + 3 for hu in sampled])
    assert 0.02 < 1 - brighter.mean() < 0.98
    is_liver = contrast.sample_contrast(table, np.random.default_rng(0)).is_liver
    np.testing.assert_array_equal(is_liver, table[:, 2])


def test_everything_follows_from_the_phase_together(table):
    organ = table[:, 3].astype(int)
    rows = {name: organ == ORGANS.index(name) for name in ORGANS}
    found = {phase: [] for phase in PHASES}
    with (
        patch.object(contrast, "hard_negatives", lambda *_: None),
        patch.object(contrast, "randomise_contrast", lambda *_: None),
    ):
        for seed in range(150):
            sampled = contrast.sample_contrast(table, np.random.default_rng(seed))
            hu = {name: sampled.hu[row].mean() for name, row in rows.items() if row.any()}
            found[sampled.phase].append(hu)
    assert all(found.values())
    for hu in found["arterial"]:  # a bright aorta, while the liver is still grey
        assert hu["aorta"] > 180 and hu["liver"] < 90 and hu["hepatic_veins"] < 100
    for hu in found["portal venous"]:
        assert hu["portal_vein"] > hu["liver"] + 10 and hu["aorta"] < 230
    plain = table[rows["liver"], 0].mean()
    assert all(abs(hu["liver"] - plain) < 1e-3 for hu in found["non-contrast"])
    assert np.mean([hu["urine"] > 150 for hu in found["delayed"]]) > 0.8


def test_bile_stays_dark_but_for_the_medium_that_it_may_hold(table):
    bile = table[:, 3] == ORGANS.index("bile")
    assert bile.any()
    hu = [
        contrast.sample_contrast(table, np.random.default_rng(seed)).hu[bile].mean()
        for seed in range(200)
    ]
    assert 0.6 < np.mean(np.array(hu) < 25) < 0.9 and max(hu) > 80 and min(hu) >= -6


def test_other_organs_and_vessels_come_to_resemble_the_liver(table):
    liver, is_liver = contrast.parenchyma(table), table[:, 2] > 0
    vessels = is_liver & (np.arange(len(table)) != liver)
    soft = (table[:, 0] > -40) & (table[:, 0] < 300) & ~is_liver
    bone = table[:, 0] > 330
    alike, darker = [], []
    for seed in range(200):
        hu = contrast.sample_contrast(table, np.random.default_rng(seed)).hu
        alike.append((np.abs(hu[soft] - hu[liver]) < 8).mean())
        darker.append(hu[vessels].mean() < hu[liver] - 5)
        with patch.object(contrast, "hard_negatives", lambda *_: None):
            plain = contrast.sample_contrast(table, np.random.default_rng(seed)).hu
        assert hu[liver] == plain[liver]
        np.testing.assert_array_equal(hu[bone], plain[bone])
    assert np.quantile(alike, 0.9) > 1.5 * np.median(alike)
    assert 0.1 < np.mean(darker) < 0.9


def test_what_fills_the_abdomens_fat_leaves_liver_and_subcutaneous_fat_alone(table):
    sampled = [
        contrast.hard_negatives_in_fat(table, 32, np.random.default_rng(seed)) for seed in range(60)
    ]
    assert 0.1 < np.mean([bool(fillings) for fillings in sampled]) < 0.5
    for filling in (filling for fillings in sampled for filling in fillings):
        assert -40 <= filling.hu <= 130
        assert 0.02 < filling.inside.float().mean() < 0.6
        replaced = table[filling.is_fat.numpy()]
        assert len(replaced) and (replaced[:, 2] == 0).all()
        assert (replaced[:, 0] < -40).all()
        assert (replaced[:, 1] != SUBCUTANEOUS_FAT_TEXTURE).all()
