"""Damaged scans and labels by the thousand: each must end in a right cube or a `LiverlibError`.

`python tests/fuzz.py 20000` (or `make fuzz`) makes them from phantoms, and from real scans where
they are there. Input n depends on n alone: `python tests/fuzz.py 1 --first n` repeats it. Each has
5 seconds of a processor and 1 GB of address space.
"""

import argparse
import collections
import gzip
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np

from liverlib import LiverlibError
from liverlib.cache import prepare
from liverlib.cases import Case
from liverlib.cube import Cube, CubeSettings
from liverlib.nifti import compress
from liverlib.phantom import PhantomSettings, make_phantom
from liverlib.scan import Volume, read_label

REAL = Path(__file__).parents[2] / "shared" / "data"
SECONDS, MEMORY = 5, 1 << 30
SETTINGS = CubeSettings(size=16)
EXTREMES = [0, 1, -1, 2, 7, 255, 32767, -32768, 1e-30, 1e30, -2.5, 3e38, np.nan, np.inf, -np.inf]
DATATYPES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, -7]
TYPES = ["<i2", ">i2", "<i4", "<f4", ">f8", "<u2", "i1", "<i8"]


@cache
def sources() -> list[tuple[bytes, bytes]]:
    """Sound pairs of scan and label, unpacked: phantoms stored in many ways, and real ones."""
    pairs = []
    for n, kind in enumerate(TYPES):
        scan, label = make_phantom(n, PhantomSettings(size=24))
        image = nib.Nifti2Image if n % 4 == 3 else nib.Nifti1Image
        stored = [scan.grid.to_stored(one.voxels) for one in (scan, label)]
        affine = scan.grid.header.get_best_affine()
        hu = np.clip(stored[0], -120, 120) if kind == "i1" else np.clip(stored[0], 0, None)
        hu = stored[0] if kind not in ("i1", "<u2") else hu
        files = image(hu.astype(kind), affine, dtype=kind), image(stored[1], affine)
        pairs.append(tuple(file.to_bytes() for file in files))
    for name in ("ct_3mm", "liver_crop_128") if REAL.is_dir() else ():
        files = (REAL / name / f"{part}.nii.gz" for part in ("image", "label"))
        pairs.append(tuple(gzip.decompress(file.read_bytes()) for file in files))
    return pairs


def bits(content: bytes, random: np.random.Generator, within: int | None = None) -> bytes:
    """Some bits flipped."""
    changed = bytearray(content)
    for place in random.integers(
        0, min(within or len(content), len(content)), random.integers(1, 9)
    ):
        changed[place] ^= 1 << random.integers(8)
    return bytes(changed)


def header_bits(content: bytes, random: np.random.Generator) -> bytes:
    return bits(content, random, 352)


def cut(content: bytes, random: np.random.Generator) -> bytes:
    return content[: random.integers(0, len(content))]


def garbage(content: bytes, random: np.random.Generator) -> bytes:
    """A stretch of other bytes, inside or after."""
    start = random.integers(0, len(content) + 1)
    return content[:start] + random.bytes(random.integers(1, 400)) + content[start + 200 :]


def edited(content: bytes, **fields) -> bytes:
    """Header fields set without a look at their sense; ``dim=(1, 40)`` sets dim[1]."""
    kind = nib.Nifti2Header if content[:2] in (b"\x1c\x02", b"\x00\x00") else nib.Nifti1Header
    size = kind.template_dtype.itemsize
    if len(content) < size:
        return content
    header = kind(content[:size], check=False)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, value in fields.items():
            field = header._structarr[name]
            place, value = value if isinstance(value, tuple) else (..., value)
            if field.dtype.kind in "iu":
                limits = np.iinfo(field.dtype)
                value = max(limits.min, min(limits.max, int(np.nan_to_num(value))))
            field[place] = value
    return header._structarr.tobytes() + content[size:]


def fields(content: bytes, random: np.random.Generator) -> bytes:
    """One to three header fields set to extremes."""
    for _ in range(random.integers(1, 4)):
        value = random.choice(EXTREMES)
        name = random.choice(
            "dim pixdim datatype bitpix vox_offset scl_slope scl_inter qform_code sform_code "
            "quatern_b qoffset_x srow_x srow_y srow_z magic xyzt_units sizeof_hdr".split()
        )
        if name in ("dim", "pixdim"):
            value = (random.integers(8), value)
        elif name.startswith("srow"):
            value = (random.integers(4), value)
        elif name == "datatype":
            value = random.choice(DATATYPES)
        elif name == "magic":
            value = random.choice([b"ni1", b"n+3", b"", b"n+2"])
        content = edited(content, **{name: value})
    return content


def affine(content: bytes, random: np.random.Generator) -> bytes:
    """sform and qform singular, contradictory, mirrored, sheared, tiny or huge."""
    rows = np.diag(random.choice([1e-30, 1e-3, 0.7, 2.5, 1e6, 1e30], 3)) @ random.choice(
        [-1, 0, 1, 0.3], (3, 3)
    )
    changed = {f"srow_{axis}": [*row, 5] for axis, row in zip("xyz", rows, strict=True)}
    changed |= {"sform_code": random.integers(3), "qform_code": random.integers(3)}
    quatern = {f"quatern_{one}": random.uniform(-1.2, 1.2) for one in "bcd"}
    return edited(content, **changed, **quatern)


def shape(content: bytes, random: np.random.Generator) -> bytes:
    """A shape that promises more, or less, than is there."""
    sizes = random.choice([-1, 0, 1, 2, 3, 40, 300, 2000, 32767], 7)
    changed = edited(content, dim=(0, random.choice([0, 1, 2, 3, 3, 3, 4, 7, 8])))
    for place, size in enumerate(sizes[: random.integers(1, 8)], start=1):
        changed = edited(changed, dim=(place, size))
    return changed


def values(content: bytes, random: np.random.Generator) -> bytes:
    """Voxels of other values: labels of no class, NaN, infinities."""
    at = random.integers(352, len(content) - 8)
    return (
        content[:at]
        + random.choice([b"\xff" * 8, b"\0\0\xc0\x7f" * 2, b"\x05"])
        + content[at + 8 :]
    )


def zeros(content: bytes, random: np.random.Generator) -> bytes:
    return content + bytes(random.integers(1, 1 << 26))


@cache
def bomb() -> bytes:
    """A gzip member of 64 KB that unpacks to 64 MB; many of them, to gigabytes."""
    return compress(bytes(1 << 26))


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """The bytes of a file: damage before packing, packing or none, damage after it."""
    before = [header_bits, fields, fields, fields, affine, affine, shape, shape, values, bits, cut]
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        content = random.choice([*before, garbage])(content, random) or b"\0"
    if random.random() < 0.01:
        content = zeros(content, random)
    if random.random() < 0.4:
        return content
    content = compress(content)
    if random.random() < 0.02:
        return content + bomb() * random.integers(1, 100)
    if random.random() < 0.1:
        return compress(content)
    return (
        random.choice([bits, cut, garbage])(content, random) if random.random() < 0.3 else content
    )


def write_input(number: int, folder: Path) -> Case:
    """Input `number`: a scan and its label, of which one or both are damaged."""
    random = np.random.default_rng([20, number])
    pairs = sources()
    chances = np.array([8] * len(TYPES) + [1] * (len(pairs) - len(TYPES)))
    pair = pairs[random.choice(len(pairs), p=chances / chances.sum())]
    which = random.integers(3)
    paths = [folder / f"{name}.nii{random.choice(['', '.gz'])}" for name in ("scan", "label")]
    for part, path in enumerate(paths):
        path.write_bytes(damaged(pair[part], random) if which in (part, 2) else pair[part])
    return Case("case", *paths)


def outcome(case: Case, folder: Path) -> str:
    """What the refusal says, or that a cube was made; raises where it is wrong or leaves files."""
    try:
        (path,) = prepare([case], SETTINGS, folder, workers=1, strict=True)
    except LiverlibError as error:
        assert str(case.image) in str(error) or str(case.label) in str(error), error
        assert not list(folder.rglob("*case*")), "a refused case left files"
        return re.sub(r"\W*(-?\d|nan|inf).*", " …", str(error).split(": ", 1)[1], flags=re.S)[:60]
    scan, label = case.read()
    check(Cube.load(path), scan, label)
    for file, volume in ((case.image, scan), (case.label, read_label(case.label))):
        check_voxels(file, volume)
    assert len(list(folder.rglob("*case*"))) == 1
    return "made"


def check(cube: Cube, scan: Volume, label: Volume) -> None:
    """Where voxels are averaged, sums must stay: of Hounsfield units, and of the label."""
    assert all(0 <= a < b <= n for (a, b), n in zip(cube.box, scan.voxels.shape, strict=True))
    part = tuple(slice(*edge) for edge in cube.box)
    shape = np.array(scan.voxels[part].shape)
    if (shape <= SETTINGS.size).any() or not scan.voxels.size < 1 << 24:
        return
    low, high = SETTINGS.window
    mean = np.clip(scan.voxels[part].astype(float), low, high).mean()
    assert abs(cube.image.mean() / 255 * (high - low) + low - mean) < 1
    for least in (1, 2):
        share = (label.voxels[part] >= least).mean()
        assert abs(cube.occupancy[least - 1].mean() / 255 - share) < 1e-3 * share + 1 / 510


def check_voxels(file: Path, volume: Volume) -> None:
    """What was read is what nibabel reads, where it does."""
    if volume.voxels.size > 1 << 24:
        return
    shown = file.with_name(f"shown.nii{'.gz' if file.read_bytes()[:2] == bytes((31, 139)) else ''}")
    shutil.copy(file, shown)  # nibabel goes by the name
    image = nib.load(shown)
    theirs = np.asanyarray(image.dataobj).astype(np.float64).reshape(image.shape[:3])
    shown.unlink()
    ours = volume.grid.to_stored(volume.voxels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(volume.grid.header.get_best_affine(), image.affine)


def timeout(*_) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def work(first: int, count: int) -> None:
    """In a process of its own: prints a line an input, `number<tab>outcome`."""
    sources(), bomb()
    warnings.simplefilter("ignore")
    logging.disable()  # nibabel's, on what it mends in a header
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, timeout)
    for number in range(first, first + count):
        print(number, "started", sep="\t", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            case = write_input(number, Path(folder))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                said = outcome(case, Path(folder) / "cubes")
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                said = f"FAILED {type(error).__name__} {error} ({last.name})".replace("\n", " ")[
                    :300
                ]
            signal.setitimer(signal.ITIMER_PROF, 0)
        print(number, said, sep="\t", flush=True)


def run(first: int, count: int) -> tuple[collections.Counter, list[str]]:
    """How often each outcome came, and what failed; a process that dies or hangs has failed."""
    command = [sys.executable, str(Path(__file__)), "--work", "--first", str(first), str(count)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    said, failed, last = collections.Counter(), [], f"{first}\tstarted"
    for line in process.stdout:
        last = line.strip()
        what = last.partition("\t")[2]
        if what.startswith("FAILED"):
            failed.append(last)
        elif what != "started":
            said[what] += 1
    if process.wait() or last.endswith("started"):
        number = int(last.split("\t")[0])
        failed.append(f"{number}\tFAILED: the process died ({process.returncode})")
        if left := first + count - number - 1:  # go on after it
            more, also = run(number + 1, left)
            said, failed = said + more, failed + also
    return said, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.first, options.count)
        return 0
    said, failed = collections.Counter(), []
    parts = np.array_split(np.arange(options.first, options.first + options.count), 50)
    calls = [(int(part[0]), len(part)) for part in parts if len(part)]
    with ThreadPoolExecutor(options.processes) as pool:
        for one, wrong in pool.map(run, *zip(*calls, strict=True)):
            said, failed = said + one, failed + wrong
            print(f"{said.total()} done, {len(failed)} failed", file=sys.stderr)
    for what, count in said.most_common(40):
        print(f"{count:7} {what}")
    print(f"{said.total()} of {options.count} inputs ended as they should, {len(failed)} did not")
    print("\n".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
