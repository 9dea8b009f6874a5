"""The bytes of a NIfTI file: header and raw voxels, unpacked once and checked.

nibabel parses the header. The voxels are read here for two reasons: unpacking takes most of the
time, and isal is three times as fast as zlib; and a header can claim anything.
"""

import gzip
import logging
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from liverlib.core.arrays import enough_memory, is_lack_of_memory
from liverlib.core.errors import LiverlibError

igzip: ModuleType
isal_zlib: ModuleType
try:  # drop-in for gzip and zlib; Colab lacks it
    from isal import igzip, isal_zlib
except ImportError:
    igzip, isal_zlib = gzip, zlib
GzipFile: type[gzip.GzipFile] = getattr(igzip, "IGzipFile", gzip.GzipFile)
crc32: Callable[..., int] = isal_zlib.crc32
DEFLATE_LIMIT = 1032  # no gzip stream unpacks to more than this many times its size
QUIET = logging.Logger("liverlib.nifti")  # without handlers: what nibabel mends is not printed
QUIET.addHandler(logging.NullHandler())


def read_nifti(path: Path) -> tuple[nib.Nifti1Header, np.ndarray]:
    """Header and raw voxels in the file's order; ``.nii`` is memory-mapped.

    Raises `LiverlibError` for a file that is missing, truncated, corrupt or not a 3D volume, and
    for one that is longer than its header says.
    """
    with _refusals(path), _open(path) as file:
        header = _read_header(path, file)
        shape, dtype = _spatial_shape(path, header), header.get_data_dtype()
        if dtype.kind not in "iuf":
            raise LiverlibError(f"{path}: holds {dtype} voxels; expected plain numbers, one each.")
        count, offset = math.prod(shape), int(header.get_data_offset())
        size = path.stat().st_size
        claimed = offset + count * dtype.itemsize
        if claimed > (size * DEFLATE_LIMIT if _is_gzip(path) else size):
            raise EOFError(f"its header claims {claimed:,} bytes, and {size:,} are there")
        if not _is_gzip(path):
            if size > claimed:
                raise _too_long(path, claimed)
            with enough_memory(str(path), shape, dtype.itemsize):
                return header, np.memmap(path, dtype, "r", offset, shape, order="F")
        while (gap := offset - file.tell()) > 0 and file.read(min(gap, 1 << 24)):
            pass  # gzip streams only go forward
        with enough_memory(str(path), shape, dtype.itemsize):
            raw = np.empty(count, dtype)
        _fill(raw, file)
        if file.read(1):
            raise _too_long(path, claimed)
        return header, raw.reshape(shape, order="F")


def read_nifti_header(path: Path) -> nib.Nifti1Header:
    """The header alone; raises as `read_nifti` does."""
    with _refusals(path), _open(path) as file:
        header = _read_header(path, file)
        _spatial_shape(path, header)
        return header


def verify(path: Path) -> tuple[nib.Nifti1Header, int]:
    """The header, and the file's unpacked size in bytes, after reading the file to its end.

    Raises as `read_nifti` does, also for a wrong checksum, but keeps nothing in memory.
    """
    with _refusals(path), _open(path) as file:
        header = _read_header(path, file)
        count = int(np.prod(_spatial_shape(path, header), dtype=float))
        claimed = int(header.get_data_offset()) + count * header.get_data_dtype().itemsize
        file.seek(0)
        unpacked = 0
        while unpacked <= claimed and (block := file.read(1 << 20)):
            unpacked += len(block)
        if unpacked < claimed:
            raise EOFError(f"its header claims {claimed:,} bytes, and {unpacked:,} are there")
        if unpacked > claimed:
            raise _too_long(path, claimed)
        return header, unpacked


@contextmanager
def create(path: Path) -> Iterator[BufferedIOBase]:
    """A file to write to, gzipped where it is named ``.gz``.

    The same bytes always give the same stream: it holds neither time nor name.
    """
    with open(path, "wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        with GzipFile("", "wb", 1, file, mtime=0) as packed:
            yield packed


def _fill(raw: np.ndarray, file: BufferedIOBase) -> None:
    """Unpacks into `raw`; who reads on to the end meets gzip's checksum there."""
    buffer = raw.data.cast("B")
    filled = 0
    while filled < len(buffer):
        count = file.readinto(buffer[filled : filled + (1 << 24)])
        if not count:
            raise EOFError(f"{filled:,} of {len(buffer):,} bytes are there")
        filled += count


def _read_header(path: Path, file: BufferedIOBase) -> nib.Nifti1Header:
    """The parsed header; extensions are passed over, and what nibabel mends is not printed."""
    start = file.read(4)
    is_nifti2 = 540 in (int.from_bytes(start, "little"), int.from_bytes(start, "big"))
    kind = nib.Nifti2Header if is_nifti2 else nib.Nifti1Header
    try:
        with np.errstate(all="ignore"):
            block = start + file.read(kind.template_dtype.itemsize - len(start))
            header = kind(block, check=False)
            header.check_fix(QUIET)
            header.get_data_shape()  # its check of the shape is here
    except (HeaderDataError, WrapStructError, ValueError, OverflowError) as error:
        raise LiverlibError(
            f"{path}: not a NIfTI file ({error}). Convert it, with dcm2niix for instance. "
            "For DICOM name the folder of the series."
        ) from error
    if header["magic"].item() not in (b"n+1", b"n+2"):
        raise LiverlibError(f"{path}: not a single-file NIfTI. Convert it to .nii.gz.")
    return header


def _spatial_shape(path: Path, header: nib.Nifti1Header) -> tuple[int, int, int]:
    shape = tuple(int(size) for size in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        raise LiverlibError(
            f"{path}: has shape {shape}; expected three axes of at least two voxels. "
            "Extract one 3D volume from it."
        )
    offset = header["vox_offset"].item()
    if not header.single_vox_offset <= offset < 1 << 40:  # also where it is NaN
        raise LiverlibError(f"{path}: its voxels begin at byte {offset}. Copy or convert it again.")
    return shape[0], shape[1], shape[2]


def _too_long(path: Path, claimed: int) -> LiverlibError:
    """The refusal of a file that holds more bytes than the voxels need.

    Nothing tells which of the bytes are voxels: a transfer in text mode adds one here and there.
    """
    return LiverlibError(
        f"{path}: longer than its header says ({claimed:,} bytes). Copy or download it again, not "
        "in text mode, or convert it again."
    )


def _is_gzip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> BufferedIOBase:
    return igzip.open(path, "rb") if _is_gzip(path) else open(path, "rb")


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turns readers' errors on missing, truncated and corrupt files into `LiverlibError`."""
    try:
        yield
    except LiverlibError:
        raise
    except FileNotFoundError as error:
        raise LiverlibError(f"{path}: no such file.") from error
    except (OSError, EOFError, MemoryError, zlib.error, isal_zlib.error) as error:
        if is_lack_of_memory(error):
            raise LiverlibError(
                f"{path}: not enough memory to read it ({path.stat().st_size:,} bytes on disk). "
                "Close other programs, or use a machine with more."
            ) from error
        if isinstance(error, OSError) and error.errno:  # of the system, not of the content
            raise LiverlibError(
                f"{path}: cannot be read ({error.strerror}). Allow reading it, or check the disk."
            ) from error
        raise LiverlibError(
            f"{path}: truncated or corrupt ({error}). Copy or download it again."
        ) from error
