"""Large datasets: cases found in a remote tar, 10,000 cases listed, and the cache of cubes.

The tar is made here, sparse, with as many files as MSD's Task03_Liver. Their sizes are invented to
give its 27 GB. It is served from 127.0.0.1: on the web each request takes a round trip more. The
10,000 cases are 20,000 files with only a header. Cubes are made by one process and by two, from the
cases of `prepare.py`, then read back, and shared by two trainings.
"""

import argparse
import json
import mmap
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from measure import fresh, memory_mb, timed
from report import Report
from web import Web

from liverlib.core.files import size_on_disk
from liverlib.core.parallel import in_processes
from liverlib.data.cases import Case, find_dataset
from liverlib.data.download import chosen
from liverlib.data.remote_tar import Remote, tar_members
from liverlib.data.splits import folds, split

CASES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=48, help="made by one worker, and by two")
    parser.add_argument("--cubes", type=int, default=131, help="read back")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hold", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        return list_and_split()
    if options.hold:
        return hold(options.hold)
    with Report(__file__) as report, tempfile.TemporaryDirectory() as folder:
        report.columns("what", "", "target")
        find_in_tar(report, Path(folder))
        seconds, peak = fresh(__file__, "--list")
        report.row(f"{CASES:,} cases: listed, checked for pairs, split", f"{seconds:.2f} s", "5 s")
        report.row("… memory of the process", f"{peak:.0f} MB", "300 MB")
        compare_workers(report, Path(folder), options.cases)
        read_back(report, Path(folder), options.cubes)


def find_in_tar(report: Report, folder: Path) -> None:
    """Requests, bytes and seconds of the tar's list, from the server and from the kept file."""
    path, kept = folder / "Task03_Liver.tar", folder / "list.json"
    write_sparse_tar(path)
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as tar,
        Web(tar) as web,
    ):
        seconds = timed(lambda: tar_members(Remote(web.url), kept))
        sent, requests = sum(size for _, size in web.sent), web.requests
        again = timed(lambda: tar_members(Remote(web.url), kept))
        more = web.requests - requests
        members = tar_members(Remote(web.url), kept)
        web.shutdown()
        report.row("a tar with scans and labels", f"{len(tar) / 1e9:.1f} GB, {len(members)}", "")
    report.row("its list", f"{requests} requests, {sent / 1e6:.1f} MB, {seconds:.1f} s", "")
    per = 100 * again / len(members)
    report.row("its list again", f"{more} requests, {per:.3f} s per 100", "0.1 s per 100")
    own = sum(member.size for group in chosen(members, 10).values() for member in group)
    report.row("ten cases", f"{own / 1e6:.0f} MB", "")
    report.row("… the list costs of it", f"{sent / own:.2%}", "2 %")


def write_sparse_tar(path: Path) -> None:
    """Writes the headers of a tar where they belong, and nothing between them."""
    size = random.Random(0)
    parts = {"imagesTr": (range(131), 60, 210), "labelsTr": (range(131), 0.2, 1.8)}  # MB
    parts["imagesTs"] = (range(131, 201), 60, 210)
    with open(path, "wb") as file:
        for part, (numbers, low, high) in parts.items():
            for n in numbers:
                for name, length in ((f"._liver_{n}", 163), (f"liver_{n}", 0)):  # macOS' twins
                    info = tarfile.TarInfo(f"Task03_Liver/{part}/{name}.nii.gz")
                    info.size = length or int(size.uniform(low, high) * 1e6)
                    file.write(info.tobuf(tarfile.PAX_FORMAT))
                    file.seek(-(-info.size // 512) * 512, 1)
        file.write(bytes(1024))


def list_and_split() -> None:
    """In a process of its own: prints the seconds of listing and splitting, and its MB."""
    header = nib.Nifti1Header()
    header.set_data_shape((512, 512, 300))
    with tempfile.TemporaryDirectory() as folder:
        for part in ("imagesTr", "labelsTr"):
            (Path(folder) / part).mkdir()
            for n in range(CASES):
                (Path(folder) / part / f"ct_{n}.nii").write_bytes(header.binaryblock)

        def work() -> None:
            cases = find_dataset(folder).cases
            split(cases, 1000, 1000)
            folds(cases, 5, 500)

        print(json.dumps([timed(work), memory_mb()]))


def compare_workers(report: Report, folder: Path, count: int) -> None:
    """One worker and two, each on `count` cases of 512×512×300."""
    from scans import write_case

    from liverlib.preprocessing.cache import prepare

    (case,) = write_case(folder, 300)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    seconds = {}
    for number in (1, 2):
        list(in_processes(time.sleep, [(0,)] * number, number))  # files of modules, warm
        made = folder / f"by {number}"
        seconds[number] = timed(lambda made=made, n=number: prepare(cases, folder=made, workers=n))
    report.text(f"{count} cases of 512×512×300.nii.gz: hashed, made and written; processes started")
    report.columns("workers", "seconds", "× one")
    for number, value in seconds.items():
        report.row(number, f"{value:.1f}", f"{seconds[1] / value:.2f}")


def read_back(report: Report, folder: Path, count: int) -> None:
    """Cubes back from the cache, and an epoch over all of them."""
    from scans import write_case

    from liverlib.preprocessing.cache import prepare
    from liverlib.preprocessing.cube import Cube

    (case,) = write_case(folder, 75)
    cases = [Case(f"case {n}", case.image, case.label) for n in range(count)]
    paths = prepare(cases, folder=folder / "cubes")
    loads = [timed(lambda path=path: Cube.load(path)) for path in paths]
    size = sum(map(size_on_disk, paths)) / 1e6
    report.text(f"a warm cache of {count} cubes, {size:.0f} MB on disk")
    report.columns("what", "")
    report.row("a cube, checked and mapped: median", f"{1e3 * np.median(loads):.2f} ms")
    report.row("an epoch of patches of 64³, in twos", f"{epoch(paths, 64):.2f} s")
    report.row("an epoch of whole cubes, in twos", f"{epoch(paths, 0):.2f} s")
    for n, (rss, pss) in enumerate(side_by_side(paths), start=1):
        what = f"training process {n} of 2: MB mapped, and its part of them"
        report.row(what, f"{rss:.0f}, {pss:.0f}")


def epoch(paths: list[Path], patch_size: int) -> float:
    """Seconds of as many draws as there are cubes; of reading whole ones with 0."""
    from liverlib.training.sampler import PatchSampler
    from liverlib.training.settings import TrainSettings

    sampler = PatchSampler(paths, replace(TrainSettings(), patch_size=patch_size))
    return timed(lambda: [sampler.batch((n, n + 1)) for n in range(0, len(paths) + 1, 2)])


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
    from liverlib.training.sampler import PatchSampler
    from liverlib.training.settings import TrainSettings

    sampler = PatchSampler(paths, replace(TrainSettings(), patch_size=0))
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
