"""Damaged scans and labels: input n of the fuzzer depends on n alone."""

import gzip
import io
import warnings
from functools import cache
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np

from liverlib.data.cases import Case
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

REAL = Path(__file__).parents[3] / "shared" / "data"
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
        stored = [scan.grid.to_stored(volume.voxels) for volume in (scan, label)]
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
    end = min(within or len(content), len(content))
    for position in random.integers(0, end, random.integers(1, 9)):
        changed[position] ^= 1 << random.integers(8)
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
    """Header fields set to any value, sensible or not; ``dim=(1, 40)`` sets dim[1]."""
    kind = nib.Nifti2Header if content[:2] in (b"\x1c\x02", b"\x00\x00") else nib.Nifti1Header
    size = kind.template_dtype.itemsize
    if len(content) < size:
        return content
    header = kind(content[:size], check=False)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, value in fields.items():
            field = header._structarr[name]
            index, value = value if isinstance(value, tuple) else (..., value)
            if field.dtype.kind in "iu":
                limits = np.iinfo(field.dtype)
                value = max(limits.min, min(limits.max, int(np.nan_to_num(value))))
            field[index] = value
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
    quatern = {f"quatern_{axis}": random.uniform(-1.2, 1.2) for axis in "bcd"}
    return edited(content, **changed, **quatern)


def shape(content: bytes, random: np.random.Generator) -> bytes:
    """A shape that claims more voxels, or fewer, than the file holds."""
    sizes = random.choice([-1, 0, 1, 2, 3, 40, 300, 2000, 32767], 7)
    changed = edited(content, dim=(0, random.choice([0, 1, 2, 3, 3, 3, 4, 7, 8])))
    for axis, size in enumerate(sizes[: random.integers(1, 8)], start=1):
        changed = edited(changed, dim=(axis, size))
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


def text_mode(content: bytes, random: np.random.Generator) -> bytes:
    """Line ends as a transfer in text mode leaves them."""
    old, new = ((b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\r", b""))[random.integers(3)]
    return content.replace(old, new)


def lost(content: bytes, random: np.random.Generator) -> bytes:
    """A block of the disk lost: gone."""
    start = int(random.integers(0, len(content) + 1))
    return content[:start] + content[start + int(random.choice([512, 4096])) :]


def gap(content: bytes, random: np.random.Generator) -> bytes:
    """Extension blocks, sound or not, or nothing at all between the header and the voxels."""
    start = 544 if content[:2] in (b"\x1c\x02", b"\x00\x00") else 352
    size = int(random.choice([16, 32, 33, 160, 4096]))
    claimed = int(random.choice([size, size, 8, 0, -16, 1 << 30]))
    block = claimed.to_bytes(4, "little", signed=True) + bytes([random.integers(7), 0, 0, 0])
    block = (block + random.bytes(size))[:size]
    changed = content[: start - 4] + bytes([random.integers(2), 0, 0, 0]) + block + content[start:]
    return edited(changed, vox_offset=start + size - int(random.choice([0, 0, 0, 16])))


def units(content: bytes, random: np.random.Generator) -> bytes:
    return edited(content, xyzt_units=random.integers(256))


def other_format(content: bytes, random: np.random.Generator) -> bytes:
    """Half of a .hdr/.img pair, an Analyze file, or FreeSurfer's .mgz."""
    voxels = random.integers(0, 3, (9, 8, 7)).astype(np.int16)
    kind = random.choice([nib.Nifti1Pair, nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.MGHImage])
    affine = np.diag([2.0, 2, 2, 1])
    if kind is nib.MGHImage:
        return gzip.compress(kind(voxels, affine).to_bytes(), 1, mtime=0)
    files = {name: nib.FileHolder(fileobj=io.BytesIO()) for name in ("header", "image", "mat")}
    kind(voxels, affine).to_file_map(files)
    parts = [files[name].fileobj.getvalue() for name in ("header", "image")]
    return [*parts, b"".join(parts)][random.integers(3)]


def members(content: bytes, random: np.random.Generator) -> bytes:
    """Packed as several gzip members."""
    edges = [0, *sorted(int(n) for n in random.integers(0, len(content), 3)), len(content)]
    parts = (content[a:b] for a, b in pairwise(edges))
    return b"".join(gzip.compress(part, 1, mtime=0) for part in parts)


@cache
def bomb() -> bytes:
    """A gzip member of 64 KB that unpacks to 64 MB; many of them, to gigabytes."""
    return gzip.compress(bytes(1 << 26), 1, mtime=0)


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """The bytes of a file: damage before packing, packing or none, damage after it."""
    before = [header_bits, fields, fields, fields, affine, affine, shape, shape, values, bits, cut]
    before += [text_mode, lost, gap, gap, units]
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        content = random.choice([*before, garbage])(content, random) or b"\0"
    if random.random() < 0.01:
        content = zeros(content, random)
    if random.random() < 0.02:
        return other_format(content, random)
    if random.random() < 0.4:
        return content
    if random.random() < 0.1:
        return members(content, random)
    content = gzip.compress(content, 1, mtime=0)
    if random.random() < 0.02:
        return content + bomb() * random.integers(1, 100)
    if random.random() < 0.1:
        return gzip.compress(content, 1, mtime=0)
    return (
        random.choice([bits, cut, garbage, text_mode, lost])(content, random)
        if random.random() < 0.3
        else content
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
