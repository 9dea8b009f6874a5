"""What it costs to find ten cases in a tar like MSD's Task03_Liver: requests, bytes, seconds.

    python benchmarks/download.py

The tar is made here, sparse, with as many files as MSD's, of sizes that are made up to give its
27 GB (scans of 60 to 210 MB, labels of 0.2 to 1.8 MB, macOS' twin files). It is served from
127.0.0.1: on the web each of these requests takes a round trip more.
"""

import mmap
import random
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from web import Web

from liverlib.data.download import chosen
from liverlib.data.remote_tar import Remote, tar_members


def sparse_tar(path: Path) -> None:
    """Headers where they belong, and nothing written between them."""
    size = random.Random(0)
    parts = {"imagesTr": (range(131), 60, 210), "labelsTr": (range(131), 0.2, 1.8)}
    parts["imagesTs"] = (range(131, 201), 60, 210)
    with open(path, "wb") as file:
        for part, (numbers, low, high) in parts.items():
            for n in numbers:
                place = f"Task03_Liver/{part}"
                for name, length in ((f"._liver_{n}", 163), (f"liver_{n}", 0)):
                    info = tarfile.TarInfo(f"{place}/{name}.nii.gz")
                    info.size = length or int(size.uniform(low, high) * 1e6)
                    file.write(info.tobuf(tarfile.PAX_FORMAT))
                    file.seek(-(-info.size // 512) * 512, 1)
        file.write(bytes(1024))


def timed(action):
    started = time.perf_counter()
    result = action()
    return result, time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, kept = Path(folder, "Task03_Liver.tar"), Path(folder, "list.json")
        sparse_tar(path)
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as tar,
            Web(tar) as web,
        ):
            remote = Remote(web.url)
            members, seconds = timed(lambda: tar_members(remote, kept))
            sent = sum(size for _, size in web.sent)
            print(f"a tar of {len(tar) / 1e9:.1f} GB with {len(members)} scans and labels")
            print(f"its list: {web.requests} requests, {sent / 1e6:.1f} MB, {seconds:.1f} s")
            before = web.requests
            members, seconds = timed(lambda: tar_members(Remote(web.url), kept))
            per = 100 * seconds / len(members)
            print(f"again: {web.requests - before} requests, {per:.3f} s per 100 (goal: 0.1)")
            web.shutdown()
        own = sum(member.size for group in chosen(members, 10).values() for member in group)
        share = sent / own
        print(f"ten cases: {own / 1e6:.0f} MB; the list costs {share:.2%} of it (goal: 2 %)")


if __name__ == "__main__":
    main()
