"""From a scan's file to its mask's file: liverlib's two stages beside MONAI's sliding window.

Each is a command in a fresh process: its seconds count from its start to its end, imports included,
and its memory is its peak. MONAI's is that of its spleen tutorial, with the way back (1.5×1.5×2 mm,
its UNet, `Invertd`). Its patches of 96³ overlap by half, and its weights are random, which takes as
long. Then a hundred scans one after the other through one `Segmenter`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import memory_mb
from report import Report
from scans import write_case

from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

OPTIONS = ["", "--tta", "--probabilities", "--report report", "--tta --report report"]
Cost = tuple[float, float, float]  # seconds, those of processors, peak GB


def main() -> None:
    options = arguments()
    if options.monai:
        return monai(*options.monai)
    weights = options.weights.resolve()
    with Report(__file__, "monai") as report:
        if not options.many:
            if not options.parts:
                compare(report, weights, options.slices, options.repeats)
            parts(report, weights, options.slices, options.repeats)
        if not options.parts:
            one_after_another(report, weights, options.scans)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=PRETRAINED)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scans", type=int, default=100, help="one after the other")
    parser.add_argument("--many", action="store_true", help="these alone")
    parser.add_argument("--parts", action="store_true", help="the parts of one alone")
    parser.add_argument("--monai", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(report: Report, weights: Path, slices: int, repeats: int) -> None:
    """The table of `segment` with each option, and of MONAI."""
    with tempfile.TemporaryDirectory() as folder:
        (case,) = write_case(Path(folder), slices)
        report.text(f"512×512×{slices}, best of {repeats} (MONAI: once)")
        report.columns("command", "seconds", "of processors", "peak GB", "× liverlib")
        segment = [sys.executable, "-m", "liverlib", "segment", case.image, "-o", "mask.nii.gz"]
        segment += ["--overwrite"]  # what is made already is not made again
        base = 0.0  # seconds of the first
        for more in OPTIONS:
            command = [*segment, "--weights", weights, *more.split()]
            best = min(run(command, folder) for _ in range(repeats))
            base = base or best[0]
            add_row(report, f"liverlib segment {more}".strip(), best, base)
        peer = [sys.executable, __file__, "--monai", case.image, Path(folder) / "peer.nii.gz"]
        try:
            add_row(report, "MONAI, 96³ patches", run(peer, folder), base)
        except subprocess.CalledProcessError:
            report.row("MONAI", "not installed", "", "", "")


def add_row(report: Report, name: str, cost: Cost, base: float) -> None:
    seconds, busy, peak = cost
    report.row(name, f"{seconds:.1f}", f"{busy:.1f}", f"{peak:.2f}", f"{seconds / base:.1f}")


def parts(report: Report, weights: Path, slices: int, repeats: int) -> None:
    """What reading, the mask and the verdict take of one scan, in one process."""
    from liverlib.inference.segmenter import Segmenter

    segmenter, seconds = Segmenter.load(weights), []
    with tempfile.TemporaryDirectory() as folder:
        (case,) = write_case(Path(folder), slices)
        for _ in range(repeats + 1):  # the first warms up
            moments = [time.perf_counter()]
            scan = read_scan(case.image)
            moments.append(time.perf_counter())
            prediction = segmenter.predict(scan)
            _ = prediction.mask
            moments.append(time.perf_counter())
            _ = prediction.quality
            moments.append(time.perf_counter())
            seconds.append(np.diff(moments))
    report.text(f"512×512×{slices} in one process, median of {repeats}")
    report.columns("part", "seconds")
    for name, each in zip(("reading", "mask", "verdict"), np.median(seconds[1:], 0), strict=True):
        report.row(name, f"{each:.2f}")


def run(command: list, folder: str) -> Cost:
    """What a process of its own costs."""
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(list(map(str, command)), cwd=folder, **quiet)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def monai(scan: str, output: str) -> None:
    """One scan as MONAI's spleen tutorial segments it: transforms, patches, the way back."""
    import torch
    from monai import inferers, networks
    from monai import transforms as t

    before = t.Compose([
        t.LoadImaged("image"),
        t.EnsureChannelFirstd("image"),
        t.Orientationd("image", "RAS", labels=None),
        t.Spacingd("image", (1.5, 1.5, 2.0), mode="bilinear"),
        t.ScaleIntensityRanged("image", -57, 164, 0, 1, clip=True),
        t.CropForegroundd("image", "image", allow_smaller=True),
    ])  # fmt: skip
    after = t.Compose([
        t.Invertd("pred", before, orig_keys="image", nearest_interp=False, to_tensor=True),
        t.AsDiscreted("pred", argmax=True),
    ])  # fmt: skip
    network = networks.nets.UNet(
        3, 1, 3, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2, norm="batch"
    ).eval()
    item = before({"image": scan})
    with torch.inference_mode():
        predicted = inferers.sliding_window_inference(
            item["image"][None], (96, 96, 96), 4, network, overlap=0.5
        )
    item["pred"] = predicted[0]
    mask = after(item)["pred"]
    t.SaveImage(output_dir=Path(output).parent, output_dtype=np.uint8, print_log=False)(mask)


def one_after_another(report: Report, weights: Path, count: int) -> None:
    """So many scans of ten sizes: seconds each, and the memory held after 10 and after all."""
    from liverlib.inference.segmenter import Segmenter

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.nii.gz" for n in range(min(10, count))]
        for n, path in enumerate(paths):
            scan, _ = make_phantom(n, PhantomSettings(size=160 + 16 * n))
            write_volume(path, scan.voxels, scan.grid)
        segmenter, held = Segmenter.load(weights), []
        started = time.perf_counter()
        for n in range(count):
            scan = read_scan(paths[n % len(paths)])
            mask = segmenter.predict(scan).mask
            write_volume(Path(folder) / "mask.nii.gz", mask.voxels, scan.grid)
            held.append(memory_mb("VmRSS"))
        seconds = (time.perf_counter() - started) / count
    sizes = "of ten sizes from 160² to 304² pixels"
    report.text(f"{count} scans through one Segmenter, {sizes}: {seconds:.2f} s each")
    report.columns("after", "MB held")
    for n in sorted({10, 20, 50, count}):
        if n <= count:
            report.row(n, f"{held[n - 1]:.0f}")


if __name__ == "__main__":
    main()
