"""Memory and seconds of large scans, and of masks of noise.

A phantom is written at the size of a large scan, as ``.nii``, which is mapped into memory. A fresh
process segments it with the pretrained weights and measures the lesions of the mask, without a
limit and with `RLIMIT_AS`. Then masks of noise, with `RLIMIT_AS` too, in a fresh process each.
Peaks are the whole process', imports included: what it holds of its own, and also with the pages
of the file that the system kept for it, which it takes away where memory is short.
"""

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import fresh, memory_mb
from report import Report

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.case import score_volumes
from liverlib.evaluation.lesion_table import find_lesions, measure_lesions
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

SHAPES = "512x512x900", "1024x1024x1000"
NOISY = (240, 240, 240)  # a tenth of it tumour: about a million pieces
MOST_SECONDS, MOST_GB = 150, 8.0  # that a mask of noise gets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="*", default=SHAPES)
    parser.add_argument("--limit", type=float, default=5.0, help="GB of address space")
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0002, 0.1], help="fractions")
    parser.add_argument("--segment", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--pieces", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.segment:
        return segment(*options.segment)
    if options.pieces:
        return measure_noise(*options.pieces)
    with Report(__file__) as report:
        large_scans(report, options.shapes, options.limit)
        noisy_masks(report, options.noise)


def large_scans(report: Report, shapes: list[str], limit: float) -> None:
    """The table of large scans: each without a limit and with one."""
    report.text("From the scan's file to its mask and its table of lesions")
    report.columns("voxels", "limit", "predict, s", "mask, s", "lesions, s", "own peak, GB",
                   "peak with the file's pages, GB", "outcome")  # fmt: skip
    for shape in shapes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.nii"
            write_scan(path, tuple(map(int, shape.split("x"))))
            for gb in (0.0, limit):
                cost = fresh(__file__, "--segment", path, gb)
                seconds = [f"{second:.1f}" for second in cost["seconds"]]
                seconds += ["–"] * (3 - len(seconds))
                own, whole = (f"{cost[key]:.2f}" for key in ("own", "whole"))
                name = shape.replace("x", "×")
                report.row(name, f"{gb:g} GB" if gb else "none", *seconds, own, whole,
                           cost["outcome"])  # fmt: skip


def noisy_masks(report: Report, fractions: list[float]) -> None:
    """The table of masks of noise: what each function makes of them."""
    report.text(f"Masks of {'×'.join(map(str, NOISY))} voxels, with specks of tumour by chance")
    report.columns("tumour", "function", "seconds", "own peak, GB", "outcome")
    for fraction in fractions:
        for name in NOISE:
            cost = fresh(__file__, "--pieces", name, fraction)
            report.row(f"{fraction:.2%}", name, f"{cost['seconds']:.1f}", f"{cost['own']:.2f}",
                       cost["outcome"])  # fmt: skip


def write_scan(path: Path, shape: tuple[int, ...]) -> None:
    """A phantom of this shape, with noise, slice by slice; its body is of a real one's size."""
    scan, _ = make_phantom(3, PhantomSettings(size=256))
    spacing = scan.grid.spacing * scan.voxels.shape / shape
    grid = Grid.of(shape, np.diag([*spacing, 1.0]))
    header = grid.header.copy()
    header.set_data_dtype(np.int16)
    header["vox_offset"] = header.single_vox_offset
    x, y, z = (np.arange(n) * m // n for n, m in zip(shape, scan.voxels.shape, strict=True))
    noise = 12 * np.random.default_rng(0).standard_normal((shape[0] + 64, shape[1] + 64))
    noise = noise.astype(np.int16)
    with open(path, "wb") as file:
        header.write_to(file)
        file.write(b"\0" * (header.single_vox_offset - file.tell()))
        for n, source in enumerate(z):
            moved = noise[n % 61 :][: shape[0], n % 53 :][:, : shape[1]]
            slice_ = scan.voxels[:, :, source][np.ix_(x, y)] + moved
            file.write(slice_.tobytes(order="F"))


def segment(path: str, limit: str) -> None:
    """In a process of its own: prints seconds and peaks of one scan, as JSON."""
    from liverlib.inference.segmenter import Segmenter

    segmenter = Segmenter.load()
    if float(limit):
        _limit(float(limit))
    seconds, peak = [], Peak()

    def lap(started: float) -> None:
        seconds.append(time.perf_counter() - started)

    try:
        started = time.perf_counter()
        scan = read_scan(path)
        prediction = segmenter.predict(scan)
        lap(started)
        started = time.perf_counter()
        mask = prediction.mask
        lap(started)
        started = time.perf_counter()
        table = measure_lesions(scan, prediction)
        lap(started)
        outcome = f"{len(table.lesions)} lesions, {np.count_nonzero(mask.voxels):,} voxels of liver"
    except (LiverlibError, MemoryError, RuntimeError) as error:
        outcome = _in_short(error)
    print(json.dumps({"seconds": seconds, "outcome": outcome, **peak.gb()}))


def measure_noise(name: str, fraction: str) -> None:
    """In a process of its own: prints seconds and peak of one function on a noisy mask."""
    random, grid = np.random.default_rng(0), Grid.of(NOISY, np.diag([0.8, 0.8, 1.0, 1.0]))
    classes = np.where(random.random(NOISY, np.float32) < float(fraction), 2, 1).astype(np.uint8)
    classes[[0, -1]] = 0
    _limit(MOST_GB)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    peak, started = Peak(), time.perf_counter()
    try:
        outcome = NOISE[name](Volume(classes, grid, "mask"))
    except (LiverlibError, MemoryError, TimeoutError) as error:
        outcome = _in_short(error)
    signal.alarm(0)
    print(json.dumps({"seconds": time.perf_counter() - started, "outcome": outcome, **peak.gb()}))


def _score(mask: Volume, as_lits_script: bool = False) -> str:
    """The mask against itself, moved by a voxel."""
    moved = Volume(np.roll(mask.voxels, 1, axis=1), mask.grid, mask.name)
    counts = score_volumes("noise", mask, moved, as_lits_script).iou_0
    return f"tp {counts.tp:,}, fn {counts.fn:,}, fp {counts.fp:,}"


def _score_specks(mask: Volume) -> str:
    """The mask against a reference of two tumours."""
    reference = np.where(mask.voxels > 0, 1, 0).astype(np.uint8)
    reference[60:80, 60:80, 60:80] = reference[120:140, 100:130, 100:120] = 2
    counts = score_volumes("noise", Volume(reference, mask.grid, "reference"), mask).iou_0
    return f"tp {counts.tp:,}, fn {counts.fn:,}, fp {counts.fp:,}"


NOISE = {
    "evaluate": _score,
    "evaluate against two tumours": _score_specks,
    "evaluate, LiTS script": lambda mask: _score(mask, True),
    "measure_lesions": lambda mask: f"{len(measure_lesions(mask, mask).lesions):,} lesions",
    "find_lesions": lambda mask: f"{len(find_lesions(mask.voxels, mask.grid)):,} lesions",
}


class Peak:
    """The most memory that this process holds from now on, without and with pages of files."""

    def __init__(self) -> None:
        self.own, self.done = 0.0, Event()
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def gb(self) -> dict[str, float]:
        """Both peaks so far."""
        self.done.set()
        self.thread.join()
        return {key: mb * 2**20 / 1e9 for key, mb in
                (("own", self.own), ("whole", memory_mb()))}  # fmt: skip

    def _watch(self) -> None:
        while not self.done.wait(0.01):
            self.own = max(self.own, memory_mb("RssAnon"))


def _limit(gb: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (int(gb * 1e9),) * 2)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"not done in {MOST_SECONDS} s")


def _in_short(error: BaseException) -> str:
    """An error in a cell of a table, without the folder."""
    text = str(error).replace(f"{tempfile.gettempdir()}/", "").split("\n")[0]
    return text if isinstance(error, LiverlibError) else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
