"""Damaged scans and labels by the thousand: each must end in a right cube or a `LiverlibError`.

`make fuzz` makes 20,000 of them from phantoms, and from real scans where there are any. Input n
depends on n alone: `python tests/support/fuzz.py 1 --first n` repeats it. Each has 5 seconds of a
processor and 1 GB of address space.
"""

import argparse
import collections
import gzip
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
from damage import bomb, sources, write_input

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import Case
from liverlib.io.nifti import read_label
from liverlib.io.volume import Volume
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import Cube, CubeSettings

SECONDS, MEMORY = 5, 1 << 30
SETTINGS = CubeSettings(size=16)


def outcome(case: Case, folder: Path) -> str:
    """What the refusal says, or that a cube was made; raises where it is wrong or leaves files."""
    try:
        (path,) = prepare([case], SETTINGS, folder, workers=1, strict=True)
    except LiverlibError as error:
        assert str(case.image) in str(error) or str(case.label) in str(error), error
        assert not list(folder.rglob("*case*")), "a refused case left files"
        return re.sub(r"\W*(-?\d|nan|inf).*", " …", str(error).split(": ", 1)[1], flags=re.S)[:60]
    scan, label = case.read()
    check(Cube.load(path), scan, label)
    for file, volume in ((case.image, scan), (case.label, read_label(case.label))):
        check_voxels(file, volume)
    assert len(list(folder.rglob("*case*"))) == 1
    return "made"


def check(cube: Cube, scan: Volume, label: Volume) -> None:
    """Where voxels are averaged, sums must stay: of Hounsfield units, and of the label."""
    shape = scan.voxels.shape
    assert all(0 <= s.start < s.stop <= n for s, n in zip(cube.box, shape, strict=True))
    part = cube.box
    shape = np.array(scan.voxels[part].shape)
    if (shape <= SETTINGS.size).any() or not scan.voxels.size < 1 << 24:
        return
    low, high = SETTINGS.window
    mean = np.clip(scan.voxels[part].astype(float), low, high).mean()
    assert abs(cube.image.mean() / 255 * (high - low) + low - mean) < 1
    for least in (1, 2):
        fraction = (label.voxels[part] >= least).mean()
        assert abs(cube.soft_labels[least - 1].mean() / 255 - fraction) < 1e-3 * fraction + 1 / 510


def check_voxels(file: Path, volume: Volume) -> None:
    """What was read is what nibabel reads, where it does."""
    if volume.voxels.size > 1 << 24:
        return
    content = file.read_bytes()
    content = gzip.decompress(content) if content[:2] == bytes((31, 139)) else content
    start = 540 if content[:4] in (b"\x1c\2\0\0", b"\0\0\2\x1c") else 348
    shown = file.with_name("shown.nii")  # nibabel goes by the name, and fails at damaged extensions
    shown.write_bytes(content[:start] + bytes(4) + content[start + 4 :])
    image = nib.load(shown)
    expected = np.asanyarray(image.dataobj).astype(np.float64).reshape(image.shape[:3])
    shown.unlink()
    stored = volume.grid.to_stored(volume.voxels)
    np.testing.assert_allclose(stored, expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(volume.grid.header.get_best_affine(), image.affine)


def timeout(*_) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def work(first: int, count: int) -> None:
    """In a process of its own: prints a line an input, `number<tab>outcome`."""
    sources(), bomb()
    warnings.simplefilter("ignore")
    logging.disable()  # nibabel's, on what it mends in a header
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, timeout)
    for number in range(first, first + count):
        print(number, "started", sep="\t", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            case = write_input(number, Path(folder))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                text = outcome(case, Path(folder) / "cubes")
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                text = f"FAILED {type(error).__name__} {error} ({last.name})".replace("\n", " ")[
                    :300
                ]
            signal.setitimer(signal.ITIMER_PROF, 0)
        print(number, text, sep="\t", flush=True)


def run(first: int, count: int) -> tuple[collections.Counter, list[str]]:
    """How often each outcome came, and what failed; a process that dies or hangs has failed."""
    command = [sys.executable, str(Path(__file__)), "--work", "--first", str(first), str(count)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    text, failed, last = collections.Counter(), [], f"{first}\tstarted"
    for line in process.stdout:
        last = line.strip()
        what = last.partition("\t")[2]
        if what.startswith("FAILED"):
            failed.append(last)
        elif what != "started":
            text[what] += 1
    if process.wait() or last.endswith("started"):
        number = int(last.split("\t")[0])
        failed.append(f"{number}\tFAILED: the process died ({process.returncode})")
        if left := first + count - number - 1:  # go on after it
            more, also = run(number + 1, left)
            text, failed = text + more, failed + also
    return text, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.first, options.count)
        return 0
    text, failed = collections.Counter(), []
    last = options.first + options.count
    step = max(100, options.count // 50)  # a new process takes seconds to start
    calls = [(first, min(step, last - first)) for first in range(options.first, last, step)]
    with ThreadPoolExecutor(options.processes) as pool:
        for outcomes, wrong in pool.map(run, *zip(*calls, strict=True)):
            text, failed = text + outcomes, failed + wrong
            print(f"{text.total()} done, {len(failed)} failed", file=sys.stderr)
    for what, count in text.most_common(40):
        print(f"{count:7} {what}")
    print("\n".join(failed))
    print(f"{options.count:,} NIfTI inputs tried, {len(failed)} wrong")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
