"""Large datasets: ten cases found in a tar like MSD's, and 10,000 cases listed and split.

The tar is made here, sparse, with as many files as MSD's Task03_Liver. Their sizes are invented to
give its 27 GB: scans of 60 to 210 MB, labels of 0.2 to 1.8 MB, macOS' twin files. It is served from
127.0.0.1: on the web each of these requests takes a round trip more. The 10,000 cases are 20,000
files with only a header.
"""

import argparse
import json
import mmap
import random
import sys
import tarfile
import tempfile
from pathlib import Path

import nibabel as nib

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from measure import fresh, memory_mb, timed
from report import Report
from web import Web

from liverlib.data.cases import find_dataset
from liverlib.data.download import chosen
from liverlib.data.remote_tar import Remote, tar_members
from liverlib.data.splits import folds, split

CASES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().measure:
        return list_and_split()
    with Report(__file__) as report:
        report.columns("what", "", "target")
        with tempfile.TemporaryDirectory() as folder:
            find_in_tar(report, Path(folder))
        seconds, peak = fresh(__file__, "--measure")
        report.row(f"{CASES:,} cases: listed, checked for pairs, split", f"{seconds:.2f} s", "5 s")
        report.row("… memory of the process", f"{peak:.0f} MB", "300 MB")


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
    parts = {"imagesTr": (range(131), 60, 210), "labelsTr": (range(131), 0.2, 1.8)}
    parts["imagesTs"] = (range(131, 201), 60, 210)
    with open(path, "wb") as file:
        for part, (numbers, low, high) in parts.items():
            for n in numbers:
                for name, length in ((f"._liver_{n}", 163), (f"liver_{n}", 0)):
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


if __name__ == "__main__":
    main()
