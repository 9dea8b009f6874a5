"""The same work for many items: in several processes, in several threads, or ahead of its use."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

from tqdm.auto import tqdm

from .errors import LiverlibError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Stopped(Exception):
    """Raised by work that saw `stop` set: the error to report is another thread's."""


def in_processes(
    work: Callable[..., _Result],
    calls: Sequence[tuple],
    workers: int | Executor | None = None,
    title: str = "",
) -> Iterator[_Result]:
    """`work(*arguments)` for each of `calls`, in order, with a progress bar.

    `workers` is a number of processes, None for one a processor, or an executor to submit to. With
    one worker, or one call, everything happens in this process. New processes are spawned: a
    forked one would inherit the locks of torch's and the notebook's threads. Raises
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
    with _single_threaded(), ProcessPoolExecutor(workers, context) as pool:
        yield from _submitted(pool, work, calls, title)


def _submitted(
    pool: Executor, work: Callable[..., _Result], calls: Sequence[tuple], title: str
) -> Iterator[_Result]:
    futures: list[Future[_Result]] = []
    try:
        futures.extend(pool.submit(work, *arguments) for arguments in calls)
        for future in tqdm(futures, title):
            yield future.result()
    except BrokenExecutor as error:
        raise LiverlibError(
            f"{title}: a worker was killed, as happens where memory runs out. "
            f"Use fewer workers; what is done is kept.{_of_scripts()}"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _of_scripts() -> str:
    """What else may be wrong in a script: each new process runs it too, up to its main part."""
    file = str(getattr(sys.modules["__main__"], "__file__", ""))
    if not file.endswith(".py"):
        return ""
    return f" Or put what {file} does below: if __name__ == '__main__'."


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Lets new processes compute with one thread each: with more they wait for each other."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def in_threads(
    work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int, stop: Event
) -> Iterator[_Result]:
    """`work` of each item, in order, in several threads.

    The first error sets `stop` and is raised. Work that takes long checks `stop` and raises
    `Stopped`. `stop` is set, too, when the caller takes no more results.
    """

    def guarded(item: _Item) -> _Result:
        try:
            return work(item)
        except BaseException:
            stop.set()
            raise

    futures: list[Future[_Result]] = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            futures += [pool.submit(guarded, item) for item in items]
            for future in futures:
                yield future.result()
        except Stopped:
            pool.shutdown(cancel_futures=True)
            errors = (future.exception() for future in futures if not future.cancelled())
            causes = (error for error in errors if error and not isinstance(error, Stopped))
            raise next(causes) from None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def prefetch(
    make: Callable[[_Item], _Result], items: Iterable[_Item], threads: int = 1
) -> Iterator[_Result]:
    """`make` of each item, in order; the next `threads` items are made while one is used."""
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[_Result]] = deque()
        for item in items:
            pending.append(pool.submit(make, item))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
