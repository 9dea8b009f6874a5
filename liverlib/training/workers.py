"""Batches made in several processes, where one cannot keep a GPU busy."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

import torch
from torch import Tensor

from liverlib.core.errors import LiverlibError

from .sampler import BatchSource

_source: BatchSource | None = None  # of a process that is one of the workers


class BatchWorkers:
    """A `BatchSource` whose draws are made in spawned processes, each by a copy of `source`.

    The batches are those of `source`, on the CPU: a draw depends on its number alone.

    Args:
        source: one that can be pickled, such as `SyntheticScans` before its first batch.
        workers: the number of processes; each keeps what its copy of the source keeps.

    >>> source = BatchWorkers(SyntheticScans(paths, 1.5, CubeSettings()), workers=8)
    """

    def __init__(self, source: BatchSource, workers: int) -> None:
        self.source, self.workers = source, workers
        spawn = multiprocessing.get_context("spawn")  # a forked process cannot use the GPU
        self._pool = ProcessPoolExecutor(workers, spawn, _begin, (source,))

    @property
    def edge(self) -> int:
        """Of a patch, in voxels."""
        return self.source.edge

    @property
    def lesions(self) -> object:
        """True, or not empty, where there are any to learn from."""
        return self.source.lesions

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Image (n, 1, …) and soft labels (n, 2, …) of so many draws, both uint8 as in cubes.

        Raises `LiverlibError` where a worker was killed.
        """
        try:
            images, soft_labels = zip(*self._pool.map(_drawn, draws), strict=True)
        except BrokenExecutor as error:
            raise LiverlibError(
                "A process that makes batches was killed, as happens where memory runs out. "
                "Run the same command again: it goes on after the last finished epoch."
            ) from error
        return torch.cat(images), torch.cat(soft_labels)


def _begin(source: BatchSource) -> None:
    """Makes this process a worker."""
    global _source
    torch.set_num_threads(1)
    _source = source


def _drawn(draw: int) -> tuple[Tensor, Tensor]:
    """One draw, brought to the CPU."""
    assert _source
    image, soft_labels = _source.batch([draw])
    return image.cpu(), soft_labels.cpu()
