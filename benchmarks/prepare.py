"""How fast and how large preparing a scan is: liverlib beside MONAI, TorchIO and the original way.

Makes CT-like scans with labels, then has each way bring scan and label to 128³, in a fresh process
each time (imports not timed, memory the whole process' peak), and prints tables in Markdown.
Peers that are missing are left out: `pip install --no-deps monai torchio`, and what they ask for.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from liverlib.data.cases import Case
from liverlib.io.nifti_bytes import read_nifti
from liverlib.preprocessing.cache import prepare
from liverlib.preprocessing.cube import to_cube
from liverlib.synthesis.phantom.phantom import make_phantom

LOW, HIGH, SIZE = -60, 200, 128
HEAD = """\
| way | seconds | of processors | peak MB | × fastest peer | of least peer's MB | × decompression |
| --- | --- | --- | --- | --- | --- | --- |"""


def write_case(folder: Path, slices: int, kinds: Sequence[str] = (".nii.gz",)) -> list[Case]:
    """A phantom at 512×512 pixels with noise of its own, stored by nibabel in each of the ways."""
    scan, label = make_phantom(3)
    random = np.random.default_rng(slices)
    shape = 512, 512, slices
    x, y, z = (np.arange(n) * m // n for n, m in zip(shape, scan.voxels.shape, strict=True))
    hu, classes = np.empty(shape, np.int16, order="F"), np.empty(shape, np.uint8, order="F")
    for n, slice_ in enumerate(z):
        noise = 12 * random.standard_normal((512, 512), np.float32)
        hu[:, :, n] = scan.voxels[:, :, slice_][np.ix_(x, y)] + noise.astype(np.int16)
        classes[:, :, n] = label.voxels[:, :, slice_][np.ix_(x, y)]
    affine, cases = np.diag([-0.75, -0.75, 240 / slices, 1]), []
    for kind in kinds:
        case = Case(f"{slices}{kind}", *(folder / f"{one}-{slices}{kind}" for one in "sl"))
        nib.Nifti1Image(hu, affine).to_filename(case.image)
        nib.Nifti1Image(classes, affine).to_filename(case.label)
        cases.append(case)
    return cases


def decompression(case: Case):
    """Only the voxels into memory, by what liverlib reads with; plain files are copied there."""
    for file in (case.image, case.label):
        np.array(read_nifti(file)[1], copy=file.suffix != ".gz")


def liverlib(case: Case):
    to_cube(*case.read())


def liverlib_cached(case: Case):
    with tempfile.TemporaryDirectory() as folder:
        prepare([case], folder=folder, workers=1)


def original():
    """min–max on the whole volume in float64, `F.interpolate`: trilinear, and nearest."""
    import torch
    from torch.nn.functional import interpolate

    def way(case: Case):
        image, label = (nib.load(file).get_fdata() for file in (case.image, case.label))
        image = (image - image.min()) / (image.max() - image.min())
        for array, how in ((image, {"mode": "trilinear"}), (label, {"mode": "nearest"})):
            tensor = torch.tensor(array, dtype=torch.float32)[None, None]
            interpolate(tensor, size=(SIZE,) * 3, **how)

    return way


def monai():
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


def torchio():
    import torchio as tio

    chain = tio.Compose([tio.ToCanonical(), tio.Clamp(LOW, HIGH), tio.Resize(SIZE)])

    def way(case: Case):
        scan, label = tio.ScalarImage(case.image), tio.LabelMap(case.label)
        chain(tio.Subject(image=scan, label=label))

    return way


PEERS = {"original": original, "MONAI": monai, "TorchIO": torchio}
OURS = {
    "decompression alone": decompression,
    "liverlib": liverlib,
    "liverlib, hashed and written": liverlib_cached,
}


def measure(way: str, image: str, label: str) -> None:
    """In a process of its own: prints seconds, those of processors, and peak memory in MB."""
    run = OURS[way] if way in OURS else PEERS[way]()
    case = Case("case", Path(image), Path(label))
    started = time.perf_counter(), time.process_time()
    run(case)
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps([*seconds, int(status["VmHWM"].split()[0]) / 1024]))


def fresh(*arguments: str) -> list:
    """What a fresh process of this script prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def peers(folder: Path, slices: int, kinds: Sequence[str], repeats: int) -> None:
    """The table of one number of slices: every way in turn, `repeats` times."""
    there = [name for name in PEERS if name == "original" or importlib.util.find_spec(name.lower())]
    ways = [*there, *OURS]
    for case in write_case(folder, slices, kinds):
        found = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                found[way].append(fresh("--measure", way, case.image, case.label))
        best = {way: np.min(values, axis=0) for way, values in found.items()}
        fastest, _, smallest = np.min([best[way] for way in there], axis=0)
        raw = 512 * 512 * slices * 3 / 2**20
        print(f"\n512×512×{case.name}, {raw:.0f} MB of scan and label, best of {repeats}\n")
        print(HEAD)
        for way, (seconds, busy, peak) in best.items():
            ratio = seconds / best["decompression alone"][0]
            print(f"| {way} | {seconds:.2f} | {busy:.2f} | {peak:.0f} | {fastest / seconds:.1f} | "
                  f"{peak / smallest:.2f} | {ratio:.2f} |", flush=True)  # fmt: skip
        case.image.unlink(), case.label.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, nargs="+", default=[75, 300, 800])
    parser.add_argument("--kinds", nargs="+", default=[".nii.gz", ".nii"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(*options.measure)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
          f"Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for slices in options.slices:
            peers(Path(folder), slices, options.kinds, options.repeats)


if __name__ == "__main__":
    main()
