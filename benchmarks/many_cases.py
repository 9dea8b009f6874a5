"""How long 10,000 cases take to be listed, checked for pairs and split, and how much memory.

python benchmarks/many_cases.py        (writes 20,000 files with only a header, then removes them)
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib

from liverlib.data.cases import find_dataset
from liverlib.data.splits import folds, split

CASES = 10_000


def main() -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((512, 512, 300))
    with tempfile.TemporaryDirectory() as folder:
        for part in ("imagesTr", "labelsTr"):
            (Path(folder) / part).mkdir()
            for n in range(CASES):
                (Path(folder) / part / f"ct_{n}.nii").write_bytes(header.binaryblock)
        started = time.perf_counter()
        dataset = find_dataset(folder)
        split(dataset.cases, 1000, 1000)
        folds(dataset.cases, 5, 500)
        seconds = time.perf_counter() - started
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"{len(dataset.cases):,} cases: {seconds:.2f} s, {peak:.0f} MB (goal: 5 s, 300 MB)")


if __name__ == "__main__":
    main()
