"""From a scan's file to its mask's file: liverlib's two looks beside MONAI's sliding window.

Each way is a command in a fresh process; its seconds count from its start, imports included, to
its end, and its memory is its peak. MONAI's way is that of its spleen tutorial, there and back
(1.5×1.5×2 mm, its UNet, `Invertd`), with windows of 96³ that overlap by half and random weights,
which take as long as trained ones. Then a hundred scans in a row through one `Segmenter`, and
`segment` with each option. `python benchmarks/segment.py --weights FILE`, for a part `… row`.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from prepare import write_case

from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

OPTIONS = ["", "--tta", "--probabilities", "--report report", "--tta --report report"]


def main() -> None:
    options = arguments()
    if options.part == "monai":
        return monai(*options.files)
    if options.part == "row":
        return row(options.weights, options.scans)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
          f"Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (case,) = write_case(Path(folder), options.slices)
        print(f"\n512×512×{options.slices}, best of {options.repeats}\n")
        print("| command | seconds | of processors | peak GB | times ours |")
        print("| --- | --- | --- | --- | --- |")
        ours = None
        for more in OPTIONS:
            command = [*liverlib(case.image, options.weights), *more.split()]
            best = min(fresh(command, folder) for _ in range(options.repeats))
            ours = ours or best[0]
            told(f"liverlib segment {more}".strip(), best, ours)
        peer = [sys.executable, __file__, "monai", case.image, Path(folder) / "peer.nii.gz"]
        try:
            told("MONAI, 96³ windows", fresh(peer, folder), ours)
        except subprocess.CalledProcessError:
            print("| MONAI | not installed | | | |")
    row(options.weights, options.scans)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", default="all", choices=["all", "row", "monai"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--weights", type=Path, help="default: liverlib's own")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scans", type=int, default=100)
    options = parser.parse_args()
    if options.part != "monai":
        options.weights = (options.weights or PRETRAINED).resolve()
    return options


def liverlib(scan: Path, weights: Path) -> list:
    output = scan.with_name("mask.nii.gz")
    return [sys.executable, "-m", "liverlib", "segment", scan, "-o", output, "--weights", weights]


def told(name: str, found: tuple[float, float, float], ours: float) -> None:
    seconds, busy, peak = found
    print(
        f"| {name} | {seconds:.1f} | {busy:.1f} | {peak:.2f} | {seconds / ours:.1f} |", flush=True
    )


def fresh(command: list, folder: str) -> tuple[float, float, float]:
    """Seconds that passed, those of processors, and peak memory in GB of a process of its own."""
    start = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(list(map(str, command)), cwd=folder, **quiet)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def monai(scan: str, output: str) -> None:
    """One scan as MONAI's spleen tutorial segments it: transforms, windows, the way back."""
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


def row(weights: Path, count: int) -> None:
    """So many scans, one after the other, of ten sizes; the memory held after 10 and after all."""
    from liverlib.inference.segmenter import Segmenter

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.nii.gz" for n in range(10)]
        for n, path in enumerate(paths):
            scan, _ = make_phantom(n, PhantomSettings(size=160 + 16 * n))
            write_volume(path, scan.voxels, scan.grid)
        segmenter, start, held = Segmenter.load(weights), time.perf_counter(), []
        for n in range(count):
            scan = read_scan(paths[n % 10])
            write_volume(Path(folder) / "mask.nii.gz", segmenter.segment(scan).voxels, scan.grid)
            held.append(memory())
        seconds = (time.perf_counter() - start) / count
    print(f"\n{count} scans in a row through one Segmenter: {seconds:.2f} s each\n")
    print("| after | MB held |\n| --- | --- |")
    for n in sorted({10, 20, 50, count}):
        if n <= count:
            print(f"| {n} | {held[n - 1]:.0f} |")


def memory() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    main()
