"""Seconds and memory to prepare a scan: liverlib beside MONAI, TorchIO and the original project.

Each method brings a CT-like scan and its label to 128³ in a fresh process. Imports are not timed;
memory is the whole process' peak. The original normalises from min to max in float64 and uses
`F.interpolate`; MONAI averages down (`area`), TorchIO interpolates. Missing peers are left out:
`pip install --no-deps monai torchio`, and what they ask for.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import fresh, memory_mb
from report import Report
from scans import write_case

from liverlib.data.cases import Case
from liverlib.io.nifti_bytes import read_nifti
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import to_cube

LOW, HIGH, SIZE = -60, 200, 128
COLUMNS = ("method", "seconds", "of processors", "peak MB", "× fastest peer",
           "of least peer's MB", "× decompression")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=[75, 300, 800])
    parser.add_argument("--kinds", nargs="+", default=[".nii.gz", ".nii"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(*options.measure)
    with Report(__file__, "monai", "torchio") as report, tempfile.TemporaryDirectory() as folder:
        for slices in options.slices:
            for case in write_case(Path(folder), slices, options.kinds):
                compare(report, case, slices, options.repeats)
                case.image.unlink(), case.label.unlink()


def compare(report: Report, case: Case, slices: int, repeats: int) -> None:
    """The table of one case: every method in turn, `repeats` times."""
    peers = [name for name in PEERS if name == "original" or importlib.util.find_spec(name.lower())]
    values: dict[str, list] = {method: [] for method in [*peers, *LIVERLIB]}
    for _ in range(repeats):
        for method, measured in values.items():
            measured.append(fresh(__file__, "--measure", method, case.image, case.label))
    best = {method: np.min(measured, axis=0) for method, measured in values.items()}
    fastest, _, smallest = np.min([best[method] for method in peers], axis=0)
    raw = 512 * 512 * slices * 3 / 2**20
    report.text(f"512×512×{case.name}, {raw:.0f} MB of scan and label, best of {repeats}")
    report.columns(*COLUMNS)
    for method, (seconds, busy, peak) in best.items():
        ratio = seconds / best["decompression alone"][0]
        report.row(
            method, f"{seconds:.2f}", f"{busy:.2f}", f"{peak:.0f}", f"{fastest / seconds:.1f}",
            f"{peak / smallest:.2f}", f"{ratio:.2f}",
        )  # fmt: skip


def measure(method: str, image: str, label: str) -> None:
    """In a process of its own: prints seconds, those of processors, and peak memory in MB."""
    run = LIVERLIB[method] if method in LIVERLIB else PEERS[method]()
    case = Case("case", Path(image), Path(label))
    started = time.perf_counter(), time.process_time()
    run(case)
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    print(json.dumps([*seconds, memory_mb()]))


def decompress(case: Case) -> None:
    """Only the voxels into memory, by what liverlib reads with; plain files are copied there."""
    for file in (case.image, case.label):
        np.array(read_nifti(file)[1], copy=file.suffix != ".gz")


def liverlib(case: Case) -> None:
    """Scan and label to a cube in memory."""
    to_cube(*case.read())


def liverlib_cached(case: Case) -> None:
    """Both files hashed, and the cube written."""
    with tempfile.TemporaryDirectory() as folder:
        prepare([case], folder=folder, workers=1)


def original() -> Callable[[Case], object]:
    """min–max on the whole volume in float64, `F.interpolate`: trilinear, and nearest."""
    import torch
    from torch.nn.functional import interpolate

    def run(case: Case) -> None:
        image, label = (nib.load(file).get_fdata() for file in (case.image, case.label))
        image = (image - image.min()) / (image.max() - image.min())
        for array, how in ((image, {"mode": "trilinear"}), (label, {"mode": "nearest"})):
            tensor = torch.tensor(array, dtype=torch.float32)[None, None]
            interpolate(tensor, size=(SIZE,) * 3, **how)

    return run


def monai() -> Callable[[Case], object]:
    """Transforms as in MONAI's tutorials, down to the cube by area."""
    from monai import transforms as t

    both = ["image", "label"]
    chain = t.Compose([
        t.LoadImaged(both),
        t.EnsureChannelFirstd(both),
        t.Orientationd(both, "RAS", labels=None),
        t.ScaleIntensityRanged("image", LOW, HIGH, 0, 1, clip=True),
        t.Resized(both, (SIZE,) * 3, mode=("area", "nearest")),
    ])  # fmt: skip
    return lambda case: chain({"image": case.image, "label": case.label})


def torchio() -> Callable[[Case], object]:
    """TorchIO's transforms, interpolated down to the cube."""
    import torchio as tio

    chain = tio.Compose([tio.ToCanonical(), tio.Clamp(LOW, HIGH), tio.Resize(SIZE)])

    def run(case: Case) -> None:
        scan, label = tio.ScalarImage(case.image), tio.LabelMap(case.label)
        chain(tio.Subject(image=scan, label=label))

    return run


PEERS = {"original": original, "MONAI": monai, "TorchIO": torchio}
LIVERLIB: dict[str, Callable[[Case], None]] = {
    "decompression alone": decompress,
    "liverlib": liverlib,
    "liverlib, hashed and written": liverlib_cached,
}


if __name__ == "__main__":
    main()
