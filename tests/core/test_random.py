import pytest
import torch

from liverlib.core.random import around, between, chance, rough_ellipsoid, shuffled_index


def test_each_round_takes_each_case_once_and_each_round_has_its_own_order():
    rounds = [[shuffled_index(0, 5 * turn + n, 5) for n in range(5)] for turn in range(4)]
    assert all(sorted(order) == list(range(5)) for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1
    assert rounds[0] != [shuffled_index(1, n, 5) for n in range(5)]


def test_the_box_around_a_centre_ends_at_the_volume():
    volume = torch.zeros(10, 12, 14)
    box, axes = around([1, 6, 13], [2, 1.5, 3], volume)
    assert box == (slice(0, 4), slice(4, 9), slice(10, 14))
    assert [tuple(axis.shape) for axis in axes] == [(4, 1, 1), (1, 5, 1), (1, 1, 4)]
    assert axes[0].flatten().tolist() == [-1, 0, 1, 2]
    assert axes[2].flatten().tolist() == [-3, -2, -1, 0]


def test_a_rough_ellipsoid_is_deepest_in_its_middle_and_negative_outside():
    _, axes = around([20, 20, 20], [20] * 3, torch.zeros(41, 41, 41))
    depth = rough_ellipsoid(axes, 8, torch.Generator().manual_seed(0))
    assert depth.shape == (41, 41, 41)
    assert depth[20, 20, 20] == pytest.approx(8, abs=4)
    assert max(depth[0].max(), depth[:, :, -1].max()) < 0
    again = rough_ellipsoid(axes, 8, torch.Generator().manual_seed(0))
    assert torch.equal(depth, again)


def test_numbers_lie_between_their_limits_and_chances_come_as_often_as_asked():
    random = torch.Generator().manual_seed(0)
    numbers = [between(-2, 3, random) for _ in range(200)]
    assert -2 <= min(numbers) < -1.8
    assert 2.8 < max(numbers) <= 3
    assert sum(chance(0.3, random) for _ in range(1000)) == pytest.approx(300, abs=50)
