"""The cache of cubes: made by one process and by two, read back, and shared by two trainings.

`python benchmarks/cache.py` prints its tables in Markdown; the cases are those of `prepare.py`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from prepare import write_case

from liverlib.core.files import size_on_disk
from liverlib.core.parallel import in_processes
from liverlib.data.cases import Case
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import Cube
from liverlib.training.sampler import PatchSampler


def workers(folder: Path, count: int) -> None:
    """One worker and two, each on `count` cases of 512×512×300."""
    (case,) = write_case(folder, 300)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    seconds = {}
    for number in (1, 2):
        list(in_processes(time.sleep, [(0,)] * number, number))  # files of modules, warm
        started = time.perf_counter()
        prepare(cases, folder=folder / f"by {number}", workers=number)
        seconds[number] = time.perf_counter() - started
    print(f"\n{count} cases of 512×512×300.nii.gz, hashed, made and written; processes started\n")
    print("| workers | seconds | × one |\n| --- | --- | --- |")
    for number, value in seconds.items():
        print(f"| {number} | {value:.1f} | {seconds[1] / value:.2f} |")


def cache(folder: Path, count: int) -> None:
    """Cubes back from the cache, and an epoch over all of them."""
    (case,) = write_case(folder, 75)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    paths = prepare(cases, folder=folder / "cubes")
    loads = []
    for path in paths:
        started = time.perf_counter()
        Cube.load(path)
        loads.append(time.perf_counter() - started)
    print(f"\nwarm cache of {count} cubes, on disk {sum(map(size_on_disk, paths)) / 1e6:.0f} MB\n")
    print("| what | |\n| --- | --- |")
    print(f"| a cube, checked and mapped: median | {1e3 * np.median(loads):.2f} ms |")
    for size, name in ((64, "windows of 64³"), (0, "whole cubes")):
        windows = PatchSampler(paths, size, 0.67, 0.2, 0)
        started = time.perf_counter()
        for step in range(count // 2 + 1):
            windows.batch(range(2 * step, 2 * step + 2))
        print(f"| an epoch of {name}, in twos | {time.perf_counter() - started:.2f} s |")
    del windows  # no third process is to map them
    for n, (rss, pss) in enumerate(side_by_side(paths), start=1):
        print(f"| training process {n} of 2: MB mapped, and its share | {rss:.0f}, {pss:.0f} |")


def side_by_side(paths: list[Path]) -> list[tuple[float, float]]:
    """Two processes that have read every cube: MB of cubes mapped, and divided by who maps them."""
    command = [sys.executable, __file__, "--hold", *map(str, paths)]
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipe) for _ in range(2)]
    for one in both:
        one.stdout.readline()  # has read them
    found = []
    for one in both:
        one.stdin.write("\n"), one.stdin.flush()
        found.append(json.loads(one.stdout.readline()))
    for one in both:
        one.stdin.close(), one.wait()
    return found


def hold(paths: list[Path]) -> None:
    """In a process of its own: prints how much of the cubes it maps, once told to."""
    windows = PatchSampler(paths, 0, 0.67, 0.2, 0)
    for step in range(len(paths)):
        windows.batch([step])
    print("read", flush=True)
    sys.stdin.readline()
    sums, ours = {"Rss": 0.0, "Pss": 0.0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if "-" in name:
            ours = line.endswith(".safetensors")
        elif ours and name[:-1] in sums:
            sums[name[:-1]] += int(values[0]) / 1024
    print(json.dumps(list(sums.values())), flush=True)
    sys.stdin.readline()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=48, help="made by one worker, and by two")
    parser.add_argument("--cubes", type=int, default=131, help="read back")
    parser.add_argument("--hold", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        return hold(options.hold)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
          f"Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        workers(Path(folder), options.cases)
        cache(Path(folder), options.cubes)


if __name__ == "__main__":
    main()
