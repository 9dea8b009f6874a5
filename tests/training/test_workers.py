"""Batches from several processes: the same as from one."""

import os
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from liverlib.core.errors import LiverlibError
from liverlib.preprocessing.cube import CubeSettings
from liverlib.synthesis.generator import SyntheticScans
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps
from liverlib.training.workers import BatchWorkers


class Numbers:
    """A source whose draws show their number, and the threads that made them."""

    edge, lesions = 4, True

    def __init__(self, deadly: int = -1) -> None:
        self.deadly = deadly

    def __len__(self) -> int:
        return 3

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        if self.deadly in draws:
            os._exit(1)
        if -2 in draws:
            raise LiverlibError("minus two")
        image = torch.stack([torch.full((1, 4, 4, 4), n, dtype=torch.uint8) for n in draws])
        return image, image.expand(-1, 2, -1, -1, -1) + torch.get_num_threads()


def test_batches_are_those_of_the_source_in_order_and_each_worker_has_one_thread():
    source = BatchWorkers(Numbers(), 2)
    assert len(source) == 3 and source.edge == 4 and source.lesions
    image, soft_labels = source.batch(range(5))
    assert image.shape == (5, 1, 4, 4, 4) and soft_labels.shape == (5, 2, 4, 4, 4)
    assert image[:, 0, 0, 0, 0].tolist() == list(range(5))
    assert torch.equal(soft_labels[:, 1:], image + 1)


def test_errors_come_through_and_a_killed_worker_is_reported():
    source = BatchWorkers(Numbers(deadly=7), 1)
    with pytest.raises(LiverlibError, match="minus two"):
        source.batch([-2])
    with pytest.raises(LiverlibError, match=r"makes batches was killed.* Run the same command"):
        source.batch([7])


def test_synthetic_scans_of_several_processes_are_equal_to_the_bit(tmp_path):
    settings = LabelMapSettings(count=1, spacing=6)
    paths = write_label_maps(tmp_path, settings, workers=1)
    scans = SyntheticScans(paths, settings.spacing, CubeSettings(size=32), 32)
    together = BatchWorkers(scans, 2).batch([5, 6])
    assert all(map(torch.equal, scans.batch([5, 6]), together))
