"""Seconds and memory of `liverlib evaluate` for masks of 512×512×450 voxels.

Makes pairs of masks: a bumpy liver with a dozen tumours, moved in the prediction by two voxels, or
as far as --shift says. Beside it, where they are installed: the time that surface-distance and
MONAI take for the liver's distances alone, on the same masks.
"""

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import peak_gb, timed
from report import Report

from liverlib.core.arrays import crop_to_content
from liverlib.evaluation.case import compare_masks, score_files
from liverlib.evaluation.folder import evaluate, find_pairs
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid

SPACING = (0.75, 0.75, 1.0)


def main() -> None:
    options = arguments()
    with (
        Report(__file__, "monai", "surface-distance") as report,
        tempfile.TemporaryDirectory() as folder,
    ):
        folders = Path(folder) / "reference", Path(folder) / "predicted"
        pair = write_pairs(*folders, options.cases, tuple(options.shape), options.shift)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:  # in a process of its own, whose memory can be told
            work = find_pairs(*folders), options.as_lits_script
            seconds, peak = pool.apply(one_by_one, work)
        together = timed(lambda: evaluate(*folders, options.as_lits_script)) / options.cases
        report.columns(f"{options.cases} pairs of {'×'.join(map(str, options.shape))}", "")
        report.row("seconds a case, one process: median", f"{np.median(seconds):.2f}")
        report.row("… most", f"{max(seconds):.2f}")
        report.row("most memory of that process, GB", f"{peak:.2f}")
        report.row("seconds a case, all processors", f"{together:.2f}")
        if not options.no_peers:
            compare(report, *pair)


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
    seconds = [timed(lambda pair=pair: score_files(*pair, as_lits_script)) for pair in pairs]
    return seconds, peak_gb()


def write_pairs(
    reference: Path, predicted: Path, cases: int, shape: tuple, shift: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Writes so many pairs; returns the livers of the last one."""
    for seed in range(cases):
        label = bumpy_liver(seed, shape)
        mask = np.roll(label, shift, (0, 1, 2))
        grid = Grid.of(shape, np.diag([*SPACING, 1.0]), ("LPS", "LAS", "RAS")[seed % 3])
        write_volume(reference / f"segmentation-{seed}.nii.gz", label, grid)
        write_volume(predicted / f"segmentation-{seed}.nii.gz", mask, grid)
    return label > 0, mask > 0


def bumpy_liver(seed: int, shape: tuple) -> np.ndarray:
    """A label: an ellipsoid with waves on it, and twelve balls of tumour inside."""
    random = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    x, y, z = (axis / n for axis, n in zip(axes, shape, strict=True))
    waves = np.sin(60 * x) * np.cos(50 * y) * np.sin(40 * z)
    inside = ((x - 0.38) / 0.28) ** 2 + ((y - 0.5) / 0.22) ** 2 + ((z - 0.5) / 0.3) ** 2
    label = (inside < 1 + 0.08 * waves).astype(np.uint8)
    for centre in random.uniform((0.25, 0.4, 0.35), (0.5, 0.6, 0.65), (12, 3)):
        radius = random.uniform(0.006, 0.05)
        distance = sum(
            ((axis - c) / radius) ** 2 for axis, c in zip((x, y, z), centre, strict=True)
        )
        label[(distance < 1) & (label > 0)] = 2
    return label


def compare(report: Report, reference: np.ndarray, predicted: np.ndarray) -> None:
    """The same livers' ASSD, HD95 and surface Dice by other libraries."""
    masks = [np.ascontiguousarray(mask) for mask in crop_to_content(reference, predicted)]
    report.columns("one liver's distances by", "seconds", "× liverlib")
    own = timed(lambda: compare_masks(*masks, SPACING))
    report.row("liverlib (all nine measures)", f"{own:.2f}", "1.0")
    for name, measure in (("surface-distance", deepmind), ("MONAI", monai)):
        try:
            seconds = timed(lambda measure=measure: measure(*masks))
            report.row(name, f"{seconds:.2f}", f"{seconds / own:.1f}")
        except ImportError:
            report.row(name, "not installed", "")


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

    pair = [torch.from_numpy(mask)[None, None] for mask in (predicted, reference)]
    common = {"include_background": True, "spacing": SPACING}
    peer.compute_average_surface_distance(*pair, symmetric=True, **common)
    peer.compute_hausdorff_distance(*pair, percentile=95, **common)
    for tolerance in (1.0, 2.0):
        peer.compute_surface_dice(*pair, [tolerance], **common)


if __name__ == "__main__":
    main()
