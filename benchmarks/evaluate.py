"""How long `liverlib evaluate` takes for masks of 512×512×450 voxels, and how much memory.

Makes pairs of masks (a bumpy liver with a dozen tumours, shifted in the prediction by two voxels,
or as far as --shift says), and prints a table in Markdown: seconds a case in one process, from the
files to the measures, the most memory that process held, and the same over all processors. Beside
it, where they are installed, what surface-distance and MONAI take for the liver's distances alone,
on the same masks.
`python benchmarks/evaluate.py [--cases 6] [--shape 512 512 450] [--as-lits-script]`
"""

import argparse
import multiprocessing
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from liverlib.core.arrays import crop_to_content
from liverlib.evaluation.case import agreement, evaluate_case
from liverlib.evaluation.folder import evaluate, find_pairs
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid

SPACING = (0.75, 0.75, 1.0)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        folders = Path(folder) / "reference", Path(folder) / "predicted"
        pair = make_pairs(*folders, options.cases, tuple(options.shape), options.shift)
        pairs = find_pairs(*folders)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:  # in a process of its own, whose memory can be told
            seconds, most = pool.apply(one_by_one, (pairs, options.as_lits_script))
        start = time.perf_counter()
        evaluate(*folders, options.as_lits_script)
        together = (time.perf_counter() - start) / options.cases
    size = "×".join(map(str, options.shape))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors\n")
    print(f"| {options.cases} pairs of {size} | |\n| --- | --- |")
    print(f"| seconds a case, one process: median | {np.median(seconds):.2f} |")
    print(f"| … most | {max(seconds):.2f} |")
    print(f"| most memory of that process, GB | {most:.2f} |")
    print(f"| seconds a case, all processors | {together:.2f} |")
    if not options.no_peers:
        peers(*pair)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 450))
    parser.add_argument("--as-lits-script", action="store_true")
    parser.add_argument("--shift", type=int, nargs=3, default=(2, -2, 1), help="voxels, round")
    parser.add_argument("--no-peers", action="store_true", help="this library alone")
    return parser.parse_args()


def one_by_one(pairs: list[tuple], as_lits_script: bool) -> tuple[list[float], float]:
    """Seconds of each case, and the most memory of this process in GB."""
    seconds = []
    for name, reference, predicted in pairs:
        start = time.perf_counter()
        evaluate_case(name, reference, predicted, as_lits_script)
        seconds.append(time.perf_counter() - start)
    status = Path("/proc/self/status").read_text()  # getrusage would tell the parent's peak too
    return seconds, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e6


def make_pairs(reference: Path, predicted: Path, cases: int, shape: tuple, by: tuple) -> tuple:
    """Writes so many pairs; returns the livers of the last one."""
    for seed in range(cases):
        label = bumpy_liver(seed, shape)
        mask = np.roll(label, by, (0, 1, 2))
        grid = Grid.of(shape, np.diag([*SPACING, 1.0]), ("LPS", "LAS", "RAS")[seed % 3])
        write_volume(reference / f"segmentation-{seed}.nii.gz", label, grid)
        write_volume(predicted / f"segmentation-{seed}.nii.gz", mask, grid)
    return label > 0, mask > 0


def bumpy_liver(seed: int, shape: tuple) -> np.ndarray:
    random = np.random.default_rng(seed)
    places = np.ogrid[tuple(slice(n) for n in shape)]
    x, y, z = (place / n for place, n in zip(places, shape, strict=True))
    waves = np.sin(60 * x) * np.cos(50 * y) * np.sin(40 * z)
    inside = ((x - 0.38) / 0.28) ** 2 + ((y - 0.5) / 0.22) ** 2 + ((z - 0.5) / 0.3) ** 2
    label = (inside < 1 + 0.08 * waves).astype(np.uint8)
    for centre in random.uniform((0.25, 0.4, 0.35), (0.5, 0.6, 0.65), (12, 3)):
        radius = random.uniform(0.006, 0.05)
        distance = sum(
            ((place - c) / radius) ** 2 for place, c in zip((x, y, z), centre, strict=True)
        )
        label[(distance < 1) & (label > 0)] = 2
    return label


def peers(reference: np.ndarray, predicted: np.ndarray) -> None:
    """The same livers' ASSD, HD95 and surface Dice by other libraries."""
    masks = [np.ascontiguousarray(one) for one in crop_to_content(reference, predicted)]
    print("\n| one liver's distances by | seconds | times ours |\n| --- | --- | --- |")
    ours = timed(lambda: agreement(*masks, SPACING))
    print(f"| liverlib (all nine measures) | {ours:.2f} | 1.0 |")
    for name, measure in (("surface-distance", deepmind), ("MONAI", monai)):
        try:
            seconds = timed(lambda measure=measure: measure(*masks))
            print(f"| {name} | {seconds:.2f} | {seconds / ours:.1f} |")
        except ImportError:
            print(f"| {name} | not installed | |")


def timed(work: Callable) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def deepmind(reference: np.ndarray, predicted: np.ndarray) -> None:
    import surface_distance as peer

    distances = peer.compute_surface_distances(reference, predicted, SPACING)
    peer.compute_average_surface_distance(distances)
    peer.compute_robust_hausdorff(distances, 95)
    for tolerance in (1, 2):
        peer.compute_surface_dice_at_tolerance(distances, tolerance)


def monai(reference: np.ndarray, predicted: np.ndarray) -> None:
    import torch
    from monai import metrics as peer

    pair = [torch.from_numpy(one)[None, None] for one in (predicted, reference)]
    alike = {"include_background": True, "spacing": SPACING}
    peer.compute_average_surface_distance(*pair, symmetric=True, **alike)
    peer.compute_hausdorff_distance(*pair, percentile=95, **alike)
    for tolerance in (1.0, 2.0):
        peer.compute_surface_dice(*pair, [tolerance], **alike)


if __name__ == "__main__":
    main()
