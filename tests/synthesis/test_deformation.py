"""How label maps are bent, and the fields of view of their scans."""

import numpy as np
import torch

from liverlib.preprocessing.boxes import MARGIN_MM
from liverlib.synthesis.deformation import Deformation, field_of_view


def test_a_deformation_leads_from_the_patient_to_the_label_map_and_back(label_map):
    deformation = Deformation(label_map, np.random.default_rng(0))
    errors = []
    for n in range(0, len(deformation.liver), 50):
        start = deformation.liver[n] - 0.5 * np.ones(3)  # a block of one voxel of 1 mm
        reached = deformation.coordinates(start, np.ones(3), 1)[:, 0, 0, 0].numpy()
        errors.append(reached - label_map.liver[n])
    assert np.abs(errors).max() < 0.75  # voxels of 4 mm
    assert np.abs(np.mean(errors)) < 0.15


def test_coordinates_between_those_that_are_computed_are_smooth(label_map):
    deformation = Deformation(label_map, np.random.default_rng(1))
    start, voxel = deformation.centre - 40, np.full(3, 2.0)
    coordinates = deformation.coordinates(start, voxel, 40)
    assert coordinates.shape == (3, 40, 40, 40)
    for axis in range(3):
        step = coordinates[axis].diff(dim=axis)
        assert step.min() > 0.1 and step.max() < 1.2  # 2 mm are half a voxel, a little bent
        assert step.diff(dim=axis).abs().max() < 0.2


def test_some_scans_are_slabs_of_a_few_centimetres(label_map):
    thick = []
    for seed in range(100):
        random = np.random.default_rng(seed)
        low, high = field_of_view(Deformation(label_map, random), "body", random)
        thick.append(high[2] - low[2])
    assert 0.02 < np.mean(np.array(thick) < 81) < 0.2
    assert min(thick) >= 30 - 1e-6


def test_the_livers_box_is_now_and_then_wrong(label_map):
    """As after a coarse stage that took the spleen for liver, or missed the dome."""
    wider = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        deformation = Deformation(label_map, random)
        low, _ = field_of_view(deformation, "liver", random)
        wider.append(deformation.liver[:, 0].min() - MARGIN_MM - low[0])
    assert np.abs(np.median(wider)) < 4
    assert max(wider) > 20 and min(wider) < -8


def test_tissues_are_those_at_the_nearest_voxels_and_beyond_the_edge_its_last(label_map):
    shape = np.array(label_map.tissue.shape)
    voxel = shape // 2
    at = torch.tensor(np.stack([voxel + 0.3, shape + 40, voxel - 0.8], 1), dtype=torch.float32)
    expected = [label_map.tissue[tuple(v)].item() for v in (voxel, shape - 1, voxel - 1)]
    assert label_map.tissue_at(at).tolist() == expected
    moved = label_map.tissue_at(at, (0, 0, 7))
    assert moved[0] == label_map.tissue[tuple(voxel + np.array([0, 0, 7]))]
