"""Anatomies, and the scans that are drawn from them while a network learns."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from conftest import simple_case
from liverlib.core.errors import LiverlibError
from liverlib.models.unet import UNet3D
from liverlib.models.weights import load_networks, save_networks
from liverlib.preprocessing.boxes import MARGIN_MM
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis import contrast, generator, label_maps
from liverlib.synthesis.deformation import Deformation, view
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import AIR, LabelMapSettings, make_label_map, write_label_maps
from liverlib.synthesis.phantom import liver
from liverlib.synthesis.phantom.body import UNDER_THE_SKIN
from liverlib.synthesis.phantom.liver import LIVERS
from liverlib.training.loop import train
from liverlib.training.settings import ROI_DEFAULTS

COARSE = LabelMapSettings(count=2, seed=5, spacing=4.0)
LIVER = CubeSettings(size=64, crop="liver", window=ROI_WINDOW)
BODY = CubeSettings(size=64)
SMALL = replace(ROI_DEFAULTS, channels=(4, 8), window=32, epochs=2, steps=3, implants=0.0)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_label_maps(tmp_path_factory.mktemp("anatomies"), COARSE, workers=1)


def test_an_anatomy_depends_on_its_settings_and_index_alone(paths):
    again = make_label_map(1, COARSE)
    for name, array in load_file(paths[1]).items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(again["table"], load_file(paths[0])["table"])


def test_an_anatomy_is_tissues_with_one_liver_in_a_body(paths):
    for path in paths:
        anatomy = load_file(path)
        tissue, table = anatomy["tissue"], anatomy["table"]
        assert tissue.max() < len(table) <= 256
        liver = table[tissue, 2] > 0
        assert 100 < liver.sum() * COARSE.spacing**3 / 1000 < 3500  # ml
        x, y, z = anatomy["liver"].astype(int).T
        assert liver[x, y, z].all()
        body = tissue != AIR
        assert (np.ptp(anatomy["body"], axis=0) >= np.ptp(np.argwhere(body), axis=0) - 1).all()


def test_a_large_left_lobe_hangs_lower_than_a_usual_one():
    def lowest(kind: str) -> list[int]:
        """The slices that the left lobes of some anatomies reach down to."""
        with patch.object(label_maps, "LIVER_ODDS", np.equal(LIVERS, kind).astype(float)):
            made = [make_label_map(n, COARSE) for n in range(4)]
        livers = [one["table"][one["tissue"], 2] > 0 for one in made]
        return [np.argwhere(liver[: len(liver) // 2])[:, 2].min() for liver in livers]

    usual, large = lowest("usual"), lowest("left lobe large")
    assert np.less_equal(large, usual).all() and np.less(large, np.subtract(usual, 3)).any()


def test_an_artery_and_bile_ducts_run_through_the_liver():
    def within(index: int, draw) -> np.ndarray:
        """The HU of the liver's voxels."""
        with patch.object(label_maps, "draw_artery_and_duct", draw):
            anatomy = make_label_map(index, replace(COARSE, spacing=2.0))
        hu, _, liver = anatomy["table"].T
        return hu[anatomy["tissue"]][liver[anatomy["tissue"]] > 0]

    arterial, portal = 7, 1  # the phases of two of them
    draw, none = liver.draw_artery_and_duct, lambda *_: None
    assert (within(arterial, draw) > 200).sum() > 20 > 0 == (within(arterial, none) > 200).sum()
    assert (within(portal, draw) < 20).sum() > 20 > 0 == (within(portal, none) < 20).sum()


def test_ready_anatomies_are_kept_and_more_of_them_join(paths):
    before = [path.stat().st_mtime_ns for path in paths]
    folder = paths[0].parents[1]
    more = write_label_maps(folder, replace(COARSE, count=3), workers=1)
    assert more[:2] == list(paths)
    assert [path.stat().st_mtime_ns for path in paths] == before


@pytest.mark.parametrize("cube", [BODY, LIVER], ids=["body", "liver"])
def test_a_draw_depends_on_the_seed_and_its_number_alone(paths, cube):
    image, soft_labels = SyntheticScans(paths, 4.0, cube, SMALL).batch([3, 4])
    assert image.shape == (2, 1, 32, 32, 32) and soft_labels.shape == (2, 2, 32, 32, 32)
    assert image.dtype == soft_labels.dtype == torch.uint8
    late, _ = SyntheticScans(paths, 4.0, cube, SMALL).batch([4])
    assert torch.equal(late[0], image[1])
    other, _ = SyntheticScans(paths, 4.0, cube, replace(SMALL, seed=1)).batch([4])
    assert not torch.equal(other[0], image[1])
    twice, _ = SyntheticScans(paths[:1], 4.0, cube, SMALL).batch([0, 1])
    assert not torch.equal(twice[0], twice[1])  # the same anatomy


def test_whole_scans_are_not_drawn(paths):
    with pytest.raises(LiverlibError, match=r"the body or liver, not cube\.crop=all"):
        SyntheticScans(paths, 4.0, replace(BODY, crop="all"), SMALL)


def test_a_pose_knows_where_the_liver_ends(paths):
    """The box of the second look is as tight about a drawn liver as about one that was found."""
    source = SyntheticScans(paths, 4.0, LIVER, SMALL)
    for n in range(2):
        anatomy = source._anatomy(n)
        liver = np.argwhere(anatomy.table[anatomy.tissue.numpy(), 2] > 0)
        np.testing.assert_array_equal(anatomy.liver.min(0), liver.min(0))
        np.testing.assert_array_equal(anatomy.liver.max(0), liver.max(0))


def test_a_body_is_not_cut_by_its_map():
    for n in (0, 5):
        tissue = make_label_map(n, COARSE)["tissue"]
        assert all((tissue.take(end, axis) == AIR).all() for axis in (0, 1) for end in (0, -1))


def test_tumours_lie_in_the_liver_in_about_two_of_three_windows(paths):
    draws = SyntheticScans(paths, 4.0, LIVER, replace(SMALL, liver=0.67))
    _, soft_labels = draws.batch(range(60))
    liver, tumour = soft_labels.transpose(0, 1).int()
    assert (tumour <= liver).all()
    full = (liver > 230).sum((1, 2, 3)) > 3000
    with_tumour = (tumour > 127).sum((1, 2, 3)) > 0
    assert full.sum() > 20
    assert 0.45 < (with_tumour & full).sum() / full.sum() < 0.85


def test_the_livers_cube_holds_all_of_it_at_mid_grey(paths):
    """As at a real scan: the box is the liver's, and grey values are counted from its median."""
    settings = replace(SMALL, window=0)
    with (
        patch.object(generator, "draw_tumours", lambda *_: None),
        patch.object(SyntheticScans, "_start", lambda *_: np.zeros(3)),
    ):
        image, soft_labels = SyntheticScans(paths, 4.0, LIVER, settings).batch(range(12))
    liver = soft_labels[:, 0] > 200
    greys = [image[n, 0][liver[n]].float().median().item() for n in range(12)]
    assert np.median(greys) == pytest.approx(127, abs=12)
    for one in liver:
        places = one.nonzero()
        assert (places.max(0).values - places.min(0).values > 64 * 0.55).all()
        for across in (one.any(2).any(1), one.any(2).any(0)):  # right to left, back to front
            assert not (across[0] and across[-1])


def test_a_pose_leads_from_the_patient_to_the_map_and_back(paths):
    anatomy = SyntheticScans(paths, 4.0, LIVER, SMALL)._anatomy(0)
    pose = Deformation(anatomy, np.random.default_rng(0))
    apart = []
    for n in range(0, len(pose.liver), 50):
        start = pose.liver[n] - 0.5 * np.ones(3)  # a block of one voxel of 1 mm, around a place
        there = pose.places(start, np.ones(3), 1)[:, 0, 0, 0].numpy()
        apart.append(there - anatomy.liver[n])
    assert np.abs(apart).max() < 0.75  # voxels of 4 mm
    assert np.abs(np.mean(apart)) < 0.15


def test_every_contrast_occurs(paths):
    table = load_file(paths[0])["table"]
    own = contrast.parenchyma(table)
    assert table[own, 2] == 1
    drawn = [contrast.tissues(table, np.random.default_rng(n))[0] for n in range(200)]
    livers = np.array([hu[own] for hu in drawn])
    assert livers.std() > 10
    vessels = (table[:, 2] > 0) & (np.arange(len(table)) != own)
    brighter = np.array([hu[vessels].mean() > hu[own] + 3 for hu in drawn])
    assert 0.02 < 1 - brighter.mean() < 0.98
    _, _, liver = contrast.tissues(table, np.random.default_rng(0))
    np.testing.assert_array_equal(liver, table[:, 2])


def test_other_organs_and_vessels_come_to_look_like_the_liver(paths):
    table = load_file(paths[0])["table"]
    own, liver = contrast.parenchyma(table), table[:, 2] > 0
    vessels = liver & (np.arange(len(table)) != own)
    soft = (table[:, 0] > -40) & (table[:, 0] < 300) & ~liver
    alike, darker = [], []
    for n in range(200):
        hu, _, _ = contrast.tissues(table, np.random.default_rng(n))
        alike.append((np.abs(hu[soft] - hu[own]) < 8).mean())
        darker.append(hu[vessels].mean() < hu[own] - 5)
        with patch.object(contrast, "look_alikes", lambda *_: None):
            plain, _, _ = contrast.tissues(table, np.random.default_rng(n))
        assert hu[own] == plain[own]
        np.testing.assert_array_equal(hu[table[:, 0] > 330], plain[table[:, 0] > 330])  # bone
    assert np.quantile(alike, 0.9) > 1.5 * np.median(alike)
    assert 0.1 < np.mean(darker) < 0.9


def test_what_fills_the_belly_leaves_liver_and_fat_under_the_skin_alone(paths):
    source = SyntheticScans(paths, 4.0, LIVER, SMALL)
    table = load_file(paths[0])["table"]
    found = [source._stuffing(table, np.random.default_rng(n)) for n in range(60)]
    assert 0.1 < np.mean([bool(one) for one in found]) < 0.5
    for blob, fat, hu in (each for one in found for each in one):
        assert -40 <= hu <= 130
        assert 0.02 < blob.float().mean() < 0.6
        chosen = table[fat.numpy()]
        assert len(chosen) and (chosen[:, 2] == 0).all()
        assert (chosen[:, 0] < -40).all() and (chosen[:, 1] != UNDER_THE_SKIN).all()


def test_some_scans_are_slabs_of_a_few_centimetres(paths):
    anatomy = SyntheticScans(paths, 4.0, LIVER, SMALL)._anatomy(0)
    thick = []
    for n in range(100):
        random = np.random.default_rng(n)
        low, high = view(Deformation(anatomy, random), "body", random)
        thick.append(high[2] - low[2])
    assert 0.02 < np.mean(np.array(thick) < 81) < 0.2
    assert min(thick) >= 30 - 1e-6


def test_the_second_looks_box_is_now_and_then_wrong(paths):
    """As after a first look that took the spleen for liver, or missed the dome."""
    anatomy = SyntheticScans(paths, 4.0, LIVER, SMALL)._anatomy(0)
    wider = []
    for n in range(60):
        random = np.random.default_rng(n)
        pose = Deformation(anatomy, random)
        low, _ = view(pose, "liver", random)
        wider.append(pose.liver[:, 0].min() - MARGIN_MM - low[0])
    assert np.abs(np.median(wider)) < 4
    assert max(wider) > 20 and min(wider) < -8


@pytest.fixture
def validation(tmp_path):
    path = tmp_path / "cube.safetensors"
    to_cube(*simple_case(0), replace(LIVER, size=32)).save(path)
    return [path]


def test_a_training_on_drawn_scans_goes_on_where_it_was_stopped(paths, validation, tmp_path):
    torch.set_num_threads(1)
    source = SyntheticScans(paths, 4.0, LIVER, SMALL)
    whole = train(source, validation, tmp_path / "whole", SMALL)
    assert len(whole) == 2 and np.isfinite(whole[-1]["train_loss"])

    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(source, validation, tmp_path / "parts", SMALL, on_epoch=stop)
    train(SyntheticScans(paths, 4.0, LIVER, SMALL), validation, tmp_path / "parts", SMALL)
    ends = [load_file(tmp_path / part / "last.safetensors") for part in ("whole", "parts")]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_training_starts_from_given_weights(paths, validation, tmp_path):
    source, still = (
        SyntheticScans(paths, 4.0, LIVER, SMALL),
        replace(SMALL, learning_rate=0.0, epochs=1),
    )
    torch.manual_seed(7)
    start = UNet3D(SMALL.channels)
    train(source, validation, tmp_path, still, {"cube": {}}, start=start)
    ((learned, _),) = load_networks(tmp_path / "weights.safetensors")
    for one, other in zip(learned.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    train(source, validation, tmp_path / "other", still, {"cube": {}}, start=UNet3D((4, 8, 16)))
    ((learned, _),) = load_networks(tmp_path / "other" / "weights.safetensors")
    assert learned.shape["channels"] == (4, 8, 16)  # not that of the settings


def test_weights_in_half_the_size_are_nearly_the_same(tmp_path):
    network = UNet3D((4, 8))
    for half in (False, True):
        save_networks(tmp_path / f"{half}.safetensors", [(network, {})], half)
    large, small = ((tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True))
    assert small < 0.75 * large
    ((loaded, _),) = load_networks(tmp_path / "True.safetensors")
    for one, other in zip(loaded.parameters(), network.parameters(), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
