"""Damaged DICOM series: each must end in the volume that its files state, or a `LiverlibError`.

`python tests/support/dicom_fuzz.py 10000` tries so many. Input n depends on n alone: `--first n`
repeats it. Each has 5 seconds of a processor.
"""

import argparse
import collections
import re
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pydicom
from dicom_files import VOXELS, rewrite, write_series

from liverlib.core.errors import LiverlibError
from liverlib.io.dicom import read_dicom
from liverlib.io.volume import Volume

SECONDS = 5
KEYS = (
    "RescaleSlope RescaleIntercept ImagePositionPatient ImageOrientationPatient PixelSpacing Rows "
    "Columns BitsAllocated BitsStored PixelRepresentation SamplesPerPixel Modality "
    "SeriesInstanceUID PhotometricInterpretation"
).split()
TEXTS = [
    b"", b"text", b"0", b"-1", b"1e30", b"nan", b"inf", b"1\\2", b"1\\2\\3", b"\0\0", b"\xff\xff",
    b"0.5", b"-1024", b"1\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0", b"\x06\0", b"\x10\0",
]  # fmt: skip


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """Bits flipped, a file cut, a block lost or foreign, line ends changed."""
    kind = random.choice(["header", "bits", "cut", "zeros", "garbage", "CR LF", "LF", "empty"])
    changed, start = bytearray(content), int(random.integers(len(content)))
    if kind in ("header", "bits"):
        end = len(content) - VOXELS[:, :, 0].size * 2 if kind == "header" else len(content)
        for position in random.integers(0, end, random.integers(1, 5)):
            changed[position] ^= 1 << random.integers(8)
    elif kind in ("zeros", "garbage"):
        size = int(random.integers(1, 64))
        changed[start : start + size] = bytes(size) if kind == "zeros" else random.bytes(size)
    elif kind == "cut":
        del changed[start:]
    elif kind == "empty":
        changed.clear()
    old, new = {"CR LF": (b"\n", b"\r\n"), "LF": (b"\r\n", b"\n")}.get(kind, (b"\r", b"\r"))
    return bytes(changed).replace(old, new)


def write_input(number: int, source: Path, folder: Path) -> None:
    """Input `number`: a series of which one file, or all, are damaged or state strange values."""
    random = np.random.default_rng([22, number])
    shutil.copytree(source, folder)
    paths = sorted(folder.iterdir())
    if random.random() < 0.5:
        key, text = random.choice(KEYS), TEXTS[random.integers(len(TEXTS))]
        for path in paths if random.random() < 0.3 else [paths[random.integers(len(paths))]]:
            rewrite(path, key, text)
    else:
        for path in {paths[n] for n in random.integers(0, len(paths), random.integers(1, 3))}:
            path.write_bytes(damage(path.read_bytes(), random))


def expected(folder: Path) -> np.ndarray:
    """What the files state, by pydicom alone: (columns, rows, slices) from the last row on."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    across, down = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(across, down)
    slices.sort(key=lambda item: float(normal @ np.array(item.ImagePositionPatient, float)))
    planes = [
        item.pixel_array * float(item.get("RescaleSlope", 1))
        + float(item.get("RescaleIntercept", 0))
        for item in slices
    ]
    return np.stack(planes).transpose(2, 1, 0)[:, ::-1]


def check(volume: Volume, folder: Path) -> None:
    """Raises `AssertionError` where a voxel, or a slice, is not what the files state."""
    stored, stated = volume.grid.to_stored(volume.voxels), expected(folder)
    assert stored.shape == stated.shape, f"{stored.shape} instead of {stated.shape}"
    np.testing.assert_allclose(stored, stated, rtol=1e-5, atol=1e-3)
    assert np.isfinite(volume.grid.affine).all()


def outcome(number: int, source: Path) -> str:
    """What the refusal says, or that a right volume was read; raises where it is wrong."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "ct"
        write_input(number, source, folder)
        with warnings.catch_warnings(record=True) as said_aloud:
            warnings.simplefilter("always")
            try:
                volume = read_dicom(folder)
            except LiverlibError as error:
                assert str(folder) in str(error), error
                text = str(error).split(": ", 1)[1]
                return re.sub(r"\W*(-?\d|nan|inf).*", " …", text, flags=re.S)[:50]
            finally:
                assert not said_aloud, said_aloud[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(volume, folder)
    return "read"


def timeout(*_) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def run(first: int, count: int) -> tuple[collections.Counter, list[str]]:
    """How often each outcome came, and what failed."""
    texts, failed = collections.Counter(), []
    before = signal.signal(signal.SIGPROF, timeout)
    with tempfile.TemporaryDirectory() as parent:
        source = Path(parent) / "source"
        write_series(source)
        for number in range(first, first + count):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                texts[outcome(number, source)] += 1
            except Exception as error:
                failed.append(f"{number}\t{type(error).__name__} {error}".replace("\n", " ")[:300])
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)
    return texts, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    texts, failed = run(options.first, options.count)
    for text, count in texts.most_common():
        print(f"{count:7} {text}")
    print("\n".join(failed))
    print(f"{options.count:,} DICOM series tried, {len(failed)} wrong")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
