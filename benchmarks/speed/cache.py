"""The cache of cubes: made by one process and by two, read back, and shared by two trainings.

The cases are those of `prepare.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import timed
from report import Report
from scans import write_case

from liverlib.core.files import size_on_disk
from liverlib.core.parallel import in_processes
from liverlib.data.cases import Case
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import Cube
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import TrainSettings

WHOLE = replace(TrainSettings(), patch_size=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=48, help="made by one worker, and by two")
    parser.add_argument("--cubes", type=int, default=131, help="read back")
    parser.add_argument("--hold", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        return hold(options.hold)
    with Report(__file__) as report, tempfile.TemporaryDirectory() as folder:
        compare_workers(report, Path(folder), options.cases)
        read_back(report, Path(folder), options.cubes)


def compare_workers(report: Report, folder: Path, count: int) -> None:
    """One worker and two, each on `count` cases of 512×512×300."""
    (case,) = write_case(folder, 300)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    seconds = {}
    for number in (1, 2):
        list(in_processes(time.sleep, [(0,)] * number, number))  # files of modules, warm
        started = time.perf_counter()
        prepare(cases, folder=folder / f"by {number}", workers=number)
        seconds[number] = time.perf_counter() - started
    report.text(f"{count} cases of 512×512×300.nii.gz: hashed, made and written; processes started")
    report.columns("workers", "seconds", "× one")
    for number, value in seconds.items():
        report.row(number, f"{value:.1f}", f"{seconds[1] / value:.2f}")


def read_back(report: Report, folder: Path, count: int) -> None:
    """Cubes back from the cache, and an epoch over all of them."""
    (case,) = write_case(folder, 75)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    paths = prepare(cases, folder=folder / "cubes")
    loads = [timed(lambda path=path: Cube.load(path)) for path in paths]
    size = sum(map(size_on_disk, paths)) / 1e6
    report.text(f"a warm cache of {count} cubes, {size:.0f} MB on disk")
    report.columns("what", "")
    report.row("a cube, checked and mapped: median", f"{1e3 * np.median(loads):.2f} ms")
    for settings, name in ((TrainSettings(), "patches of 64³"), (WHOLE, "whole cubes")):
        sampler = PatchSampler(paths, settings)
        report.row(f"an epoch of {name}, in twos", f"{epoch(sampler, count):.2f} s")
    del sampler  # no third process is to map them
    for n, (rss, pss) in enumerate(side_by_side(paths), start=1):
        what = f"training process {n} of 2: MB mapped, and its part of them"
        report.row(what, f"{rss:.0f}, {pss:.0f}")


def epoch(sampler: PatchSampler, count: int) -> float:
    """Seconds of as many draws as there are cubes."""
    return timed(lambda: [sampler.batch((n, n + 1)) for n in range(0, count + 1, 2)])


def side_by_side(paths: list[Path]) -> list[tuple[float, float]]:
    """Two processes that have read every cube: MB of cubes mapped, and divided by who maps them."""
    command = [sys.executable, __file__, "--hold", *map(str, paths)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        process.stdout.readline()  # has read them
    memory = []
    for process in both:
        process.stdin.write("\n"), process.stdin.flush()
        memory.append(json.loads(process.stdout.readline()))
    for process in both:
        process.stdin.close(), process.wait()
    return memory


def hold(paths: list[Path]) -> None:
    """In a process of its own: prints how much of the cubes it maps, once told to."""
    sampler = PatchSampler(paths, WHOLE)
    for draw in range(len(paths)):
        sampler.batch([draw])
    print("read", flush=True)
    sys.stdin.readline()
    sums, of_cube = {"Rss": 0.0, "Pss": 0.0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if "-" in name:
            of_cube = line.endswith(".safetensors")
        elif of_cube and name[:-1] in sums:
            sums[name[:-1]] += int(values[0]) / 1024
    print(json.dumps(list(sums.values())), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
