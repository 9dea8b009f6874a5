import operator
import os
import subprocess
import sys
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.parallel import Stopped, in_processes, in_threads, prefetch


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_from_any_number_of_processes(workers):
    assert list(in_processes(operator.add, [(n, 1) for n in range(4)], workers)) == [1, 2, 3, 4]


def test_any_executor_serves():
    with ThreadPoolExecutor(2) as pool:
        assert list(in_processes(operator.add, [(n, 1) for n in range(4)], pool)) == [1, 2, 3, 4]
    assert list(in_processes(operator.add, [], 2)) == []


def test_a_killed_worker_is_reported():
    with pytest.raises(LiverlibError, match="cubes: a worker was killed"):
        list(in_processes(os._exit, [(1,), (2,)], 2, "cubes"))


def test_a_worker_killed_while_work_is_still_submitted_is_reported():
    class Broken(Executor):
        def submit(self, *_):
            raise BrokenProcessPool

    with pytest.raises(LiverlibError, match="cubes: a worker was killed"):
        list(in_processes(operator.add, [(1, 1), (2, 2)], Broken(), "cubes"))


def test_a_script_without_a_main_part_is_told_what_it_lacks(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\n"
        "from liverlib.core.parallel import in_processes\n"
        "print(list(in_processes(operator.add, [(1, 1), (2, 2)], 2, 'sums')))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert "sums: a worker was killed" in done.stderr
    assert f"put what {script} does below: if __name__ == '__main__'" in done.stderr


@pytest.mark.parametrize("threads", [1, 4])
def test_what_is_made_ahead_comes_in_order_and_its_errors_too(threads):
    """The first item is held back until those that may be under way beside it are, too."""
    begun = [threading.Event() for _ in range(20)]

    def make(n):
        begun[n].set()
        if n == 0:
            assert all(event.wait(60) for event in begun[:threads])
        if n == 12:
            raise ValueError("twelve")
        return n

    made = prefetch(make, range(20), threads)
    assert [next(made) for _ in range(12)] == list(range(12))
    with pytest.raises(ValueError, match="twelve"):
        next(made)


def test_threads_give_their_results_in_order():
    stop = threading.Event()
    assert list(in_threads(str, range(9), 3, stop)) == [str(n) for n in range(9)]
    assert stop.is_set()


def test_the_first_error_stops_the_other_threads_and_is_the_one_reported():
    stop, waiting = threading.Event(), threading.Event()

    def work(n):
        if n == 1:
            assert waiting.wait(60)
            raise ValueError("one")
        waiting.set()
        assert stop.wait(60)
        raise Stopped

    with pytest.raises(ValueError, match="one"):
        list(in_threads(work, range(20), 2, stop))


def test_results_that_nobody_takes_are_not_worked_for():
    stop, done = threading.Event(), []

    def work(n):
        if n > 1 and stop.wait(60):
            raise Stopped
        done.append(n)

    results = in_threads(work, range(100), 1, stop)
    next(results)
    results.close()
    assert len(done) <= 2
