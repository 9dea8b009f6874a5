"""Exported networks beside liverlib: voxels that differ, and seconds.

Each is a command in a fresh process, imports included. liverlib computes in 16 bits where the CPU
can; "32 bits" is liverlib without that, as ONNX and the bundle compute. MONAI's bundle is left out
where MONAI and fire are not installed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from report import Report

from liverlib.inference import segmenter
from liverlib.inference.export.bundle import write_bundle
from liverlib.inference.export.onnx_folder import write_onnx_folder
from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan
from liverlib.models.weights import PRETRAINED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="+", help="NIfTI files")
    parser.add_argument("--weights", type=Path, default=PRETRAINED)
    options = parser.parse_args()
    peer = find_spec("monai") and find_spec("fire")
    with Report(__file__, "onnxruntime", "monai") as report, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_onnx_folder(folder / "onnx", options.weights)
        write_bundle(folder / "bundle", options.weights)
        report.columns("scan", "liver voxels", "made by", "differ", "% alike", "seconds")
        for number, scan in enumerate(options.scans):
            compare(report, f"{scan.parent.name}/{scan.name}", scan, folder / str(number), options)
        if not peer:
            report.text("MONAI is not installed: its bundle was not run.")


def compare(report: Report, name: str, scan: Path, folder: Path, options) -> None:
    """The rows of one scan."""
    folder.mkdir()
    onnx, bundle = folder.parent / "onnx", folder.parent / "bundle"
    command = [sys.executable, "-m", "liverlib", "segment", scan.resolve(), "-o"]
    seconds = run([*command, folder / "own.nii.gz", "--weights", options.weights.resolve()])
    own, exact = read(folder / "own.nii.gz"), in_32_bits(scan, folder, options.weights)
    voxels = f"{np.count_nonzero(exact):,}"
    add(report, name, voxels, "liverlib", own, exact, seconds)
    seconds = run([sys.executable, onnx / "segment.py", scan.resolve(), folder / "onnx.nii.gz"])
    add(report, name, voxels, "ONNX, the script", read(folder / "onnx.nii.gz"), exact, seconds)
    if find_spec("monai") and find_spec("fire"):
        (folder / "scans").mkdir()
        (folder / "scans" / "a.nii.gz").symlink_to(scan.resolve())
        command = [sys.executable, "-m", "monai.bundle", "run"]
        command += ["--config_file", "configs/inference.json"]
        command += ["--dataset_dir", folder / "scans", "--output_dir", folder / "masks"]
        seconds = run(command, bundle)
        mask = read(folder / "masks" / "a.nii.gz")
        add(report, name, voxels, "MONAI bundle", mask, exact, seconds)


def in_32_bits(scan: Path, folder: Path, weights: Path) -> np.ndarray:
    """liverlib's mask as it is where no CPU offers 16 bits."""
    kept, segmenter.mixed_precision = segmenter.mixed_precision, lambda *_: nullcontext()
    mask = segmenter.Segmenter.load(weights).predict(read_scan(scan)).mask
    segmenter.mixed_precision = kept
    write_volume(folder / "exact.nii.gz", mask)
    return read(folder / "exact.nii.gz")


def add(
    report: Report, name: str, voxels: str, by: str, mask: np.ndarray, exact: np.ndarray, s: float
) -> None:
    differ = np.count_nonzero(mask != exact)
    alike = 100 * (1 - differ / max(1, np.count_nonzero(exact)))
    report.row(name, voxels, by, differ, f"{alike:.4f}", f"{s:.1f}")


def read(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def run(command: list, folder: Path | None = None) -> float:
    """Seconds of a process of its own."""
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(list(map(str, command)), check=True, cwd=folder, **quiet)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
