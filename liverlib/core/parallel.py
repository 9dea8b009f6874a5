"""The same work over many cases, side by side, with a progress bar."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

from .errors import LiverlibError


def in_processes(
    work: Callable,
    calls: Sequence[tuple],
    workers: int | Executor | None = None,
    title: str = "",
) -> Iterator[Any]:
    """`work(*arguments)` for each of `calls`, in order.

    `workers` is a number of processes, None for one a processor, or an executor to submit to. With
    one worker, or one call, everything happens in this process. New processes start afresh
    ("spawn"): a forked one would inherit the locks of torch's and the notebook's threads. Raises
    `LiverlibError` where a process was killed.
    """
    if not calls:
        return
    if isinstance(workers, Executor):
        yield from _submitted(workers, work, calls, title)
        return
    workers = min(workers or os.cpu_count() or 1, len(calls))
    if workers <= 1:
        for arguments in tqdm(calls, title):
            yield work(*arguments)
        return
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(workers, context) as pool:
        yield from _submitted(pool, work, calls, title)


def _submitted(pool: Executor, work: Callable, calls: Sequence[tuple], title: str) -> Iterator[Any]:
    futures = [pool.submit(work, *arguments) for arguments in calls]
    try:
        for future in tqdm(futures, title):
            yield future.result()
    except BrokenExecutor as error:
        raise LiverlibError(
            f"{title}: a worker was killed, as happens where memory runs out. "
            "Use fewer workers; what is done is kept."
        ) from error
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes side by side must not each compute with all processors: they only wait more."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def prefetch(make: Callable[[Any], Any], items: Iterable, threads: int = 1) -> Iterator:
    """`make` of each item, in order, the next ones under way in other threads while one is used."""
    with ThreadPoolExecutor(threads) as pool:
        coming = deque()
        for item in items:
            coming.append(pool.submit(make, item))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
