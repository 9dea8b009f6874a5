"""Label maps: bodies with one liver each, the same for the same settings and index."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from safetensors.numpy import load_file

from liverlib.synthesis import label_maps
from liverlib.synthesis.label_maps import AIR, ORGANS, make_label_map, write_label_maps
from liverlib.synthesis.phantom import liver
from liverlib.synthesis.phantom.body import LiverAnatomy


def liver_mask(label_map: dict[str, np.ndarray]) -> np.ndarray:
    return label_map["table"][label_map["tissue"], 2] > 0


def test_a_label_map_depends_on_its_settings_and_index_alone(paths, coarse):
    again = make_label_map(1, coarse)
    for name, array in load_file(paths[1]).items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(again["table"], load_file(paths[0])["table"])


def test_a_label_map_is_tissues_with_one_liver_in_a_body(paths, coarse):
    for path in paths:
        label_map = load_file(path)
        tissue, mask = label_map["tissue"], liver_mask(label_map)
        assert tissue.max() < len(label_map["table"]) <= 256
        assert 100 < mask.sum() * coarse.spacing**3 / 1000 < 3500  # ml
        x, y, z = label_map["liver"].astype(int).T
        assert mask[x, y, z].all()
        body = np.argwhere(tissue != AIR)
        assert (np.ptp(label_map["body"], axis=0) >= np.ptp(body, axis=0) - 1).all()


def test_its_points_reach_to_the_livers_ends(paths):
    """So the ROI stage's box is as tight around a synthetic liver as around a predicted one."""
    for path in paths:
        label_map = load_file(path)
        mask = np.argwhere(liver_mask(label_map))
        np.testing.assert_array_equal(label_map["liver"].min(0), mask.min(0))
        np.testing.assert_array_equal(label_map["liver"].max(0), mask.max(0))


def test_a_large_left_lobe_hangs_lower_than_a_usual_one(coarse):
    def lowest(shape: str) -> list[int]:
        """The slices that the left lobes of some label maps reach down to."""
        with patch.object(label_maps, "_sample_anatomy", lambda _: LiverAnatomy(shape)):
            masks = [liver_mask(make_label_map(n, coarse)) for n in range(4)]
        return [np.argwhere(mask[: len(mask) // 2])[:, 2].min() for mask in masks]

    usual, large = lowest("usual"), lowest("left lobe large")
    assert np.less_equal(large, usual).all() and np.less(large, np.subtract(usual, 3)).any()


def test_an_artery_and_bile_ducts_run_through_the_liver(coarse):
    def within(draw) -> tuple[int, int]:
        """Voxels of the liver that are artery, and that are as dark as bile."""
        with patch.object(label_maps, "draw_artery_and_duct", draw):
            label_map = make_label_map(0, replace(coarse, spacing=2.0))
        hu, organ = label_map["table"][:, (0, 3)][label_map["tissue"]][liver_mask(label_map)].T
        return (organ == ORGANS.index("aorta")).sum(), (hu < 16).sum()

    artery, ducts = within(liver.draw_artery_and_duct)
    assert artery > 20 and ducts > 20
    assert within(lambda *_: None) == (0, 0)


def test_organs_that_enhance_are_known_and_none_has_contrast_medium_yet(coarse):
    label_map = make_label_map(2, coarse)
    hu, _, is_liver, organ = label_map["table"][np.unique(label_map["tissue"])].T
    for name in ("liver", "spleen", "aorta", "portal_vein", "cortex", "muscle"):
        rows = organ == ORGANS.index(name)
        assert rows.any() and (hu[rows] < 85).all()
    assert is_liver[organ == ORGANS.index("liver")].all()
    assert not is_liver[organ == ORGANS.index("spleen")].any()


def test_finished_label_maps_are_kept_and_more_of_them_join(paths, coarse):
    before = [path.stat().st_mtime_ns for path in paths]
    folder = paths[0].parents[1]
    more = write_label_maps(folder, replace(coarse, count=3), workers=1)
    assert more[:2] == list(paths) and more[2].name == "label_map_002.safetensors"
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_body_is_not_cut_by_its_map(coarse):
    for n in (0, 5):
        tissue = make_label_map(n, coarse)["tissue"]
        assert all((tissue.take(end, axis) == AIR).all() for axis in (0, 1) for end in (0, -1))
