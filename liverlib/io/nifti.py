"""NIfTI files: reads a scan in Hounsfield units or a label of classes, and writes volumes."""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension

from liverlib.core.arrays import enough_memory
from liverlib.core.errors import LiverlibError
from liverlib.core.files import atomic
from liverlib.core.text import natural_key, printable

from .nifti_bytes import create, read_nifti, read_nifti_header
from .volume import CLASSES, Grid, Volume, check_grid

_NIFTI = re.compile(r"\.nii(\.gz)?\Z", re.IGNORECASE)


def read_nifti_scan(path: str | Path) -> Volume:
    """The scan in a ``.nii`` or ``.nii.gz`` file, in Hounsfield units and RAS order.

    Raises `LiverlibError` for anything but a readable 3D volume of finite numbers.
    """
    header, raw = read_nifti(_checked(path))
    slope, inter = _slope_inter(path, header)
    with enough_memory(str(path), raw.shape, max(raw.itemsize, 4)):
        voxels = _hounsfield(raw, slope, inter)
        finite = voxels.dtype.kind != "f" or np.isfinite(voxels).all()
    if not finite:
        raise LiverlibError(
            f"{path}: holds NaN or infinite voxels. Replace them, with -1024 (air) for instance."
        )
    grid = _grid(path, header)
    return Volume(grid.to_ras(voxels), grid, printable(volume_name(path)))


def read_label(
    path: str | Path, like: Volume | None = None, classes: Mapping[int, int] | None = None
) -> Volume:
    """The label in a NIfTI file, as uint8: 0 background, 1 liver, 2 tumour.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        like: its scan; both must have the same grid.
        classes: values of the file and the classes to replace them by, such as ``{255: 2}``.

    Raises `LiverlibError` for any other value, for another grid, and for an unreadable file.

    >>> label = read_label("label.nii.gz", like=scan)
    """
    header, raw = read_nifti(_checked(path))
    slope, inter = _slope_inter(path, header)
    with enough_memory(str(path), raw.shape, raw.itemsize):
        if (slope, inter) != (1, 0):
            raw = _unscaled(raw * slope + inter, slope)
        renamed = raw
        for value, new_value in (classes or {}).items():
            renamed = np.where(raw == value, raw.dtype.type(new_value), renamed)
        _check_classes(path, renamed)
        voxels = renamed.astype(np.uint8, copy=False)
    grid = _grid(path, header)
    label = Volume(grid.to_ras(voxels), grid, printable(volume_name(path)))
    if like is not None:
        check_grid(label, like, str(path))
    return label


def write_volume(
    path: str | Path,
    volume: Volume | np.ndarray,
    grid: Grid | None = None,
    slope: float = 1.0,
    note: str = "",
    extensions: Iterable[Nifti1Extension] = (),
    intent: str = "",
) -> None:
    """Writes a volume as a NIfTI file with the affine, orientation and units of its grid's file.

    Equal voxels give equal bytes. Raises `LiverlibError` for another ending, for voxels that the
    grid or NIfTI does not hold, and where the folder cannot be written.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file; its folder is made.
        volume: a volume, or voxels (X, Y, Z) in RAS order.
        grid: of the voxels; a volume has its own.
        slope: factor by which readers multiply the voxels.
        note: the header's description (``descrip``), of at most 79 ASCII characters. That of the
            grid's own file is dropped: it described that file.
        extensions: of the header, such as a table of labels; those of the grid's own are dropped.
        intent: the header's ``intent_name``, of at most 16 ASCII characters; likewise.

    >>> write_volume("mask.nii.gz", prediction.mask)
    """
    voxels = volume.voxels if isinstance(volume, Volume) else volume
    grid = volume.grid if isinstance(volume, Volume) else grid
    if grid is None:
        raise TypeError("write_volume needs the grid of the voxels")
    if not _NIFTI.search(Path(path).name):
        raise LiverlibError(f"{path}: a volume is written as .nii.gz or .nii. Name it so.")
    if voxels.shape != grid.shape:
        raise LiverlibError(
            f"{path}: the voxels' shape is {voxels.shape}, their grid's {grid.shape}. Bring them "
            "to the grid first."
        )
    if voxels.dtype == bool:
        voxels = voxels.view(np.uint8)
    stored, header = grid.to_stored(voxels), file_header(grid, voxels.dtype, slope, note)
    header.set_data_shape(stored.shape)
    header["intent_name"] = intent
    header.extensions.extend(extensions)
    header["vox_offset"] += header.extensions.get_sizeondisk()
    dtype = header.get_data_dtype()  # in the header's byte order
    with atomic(path) as temporary, create(temporary) as file:
        header.write_to(file)
        for index in range(stored.shape[2]):
            file.write(stored[:, :, index].astype(dtype, copy=False).tobytes(order="F"))


def file_header(
    grid: Grid, dtype: np.dtype, slope: float = 1.0, note: str = ""
) -> nib.Nifti1Header:
    """The header of a file of this grid in a single piece, for voxels of `dtype`."""
    header = grid.header.copy()
    header.set_data_shape(grid.to_stored(np.broadcast_to(np.uint8(0), grid.shape)).shape)
    header.set_data_dtype(dtype)
    header.set_slope_inter(slope, 0)
    header["descrip"] = note
    header["cal_min"] = header["cal_max"] = 0
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    header.extensions.clear()
    return header


def volume_name(path: str | Path) -> str:
    """The file's name without ``.nii`` or ``.nii.gz``, in letters of either case."""
    return re.sub(r"(\.nii)?(\.gz)?\Z", "", Path(path).name, count=1, flags=re.IGNORECASE)


def read_header(path: str | Path) -> Grid:
    """The grid of a file without reading its voxels."""
    return _grid(path, read_nifti_header(_checked(path)))


def _slope_inter(path: str | Path, header: nib.Nifti1Header) -> tuple[float, float]:
    """Slope and intercept from raw voxels to values; (1, 0) where the header has none."""
    try:
        slope, inter = header.get_slope_inter()
    except nib.spatialimages.HeaderDataError as error:
        raise LiverlibError(f"{path}: {error}. Correct scl_slope and scl_inter.") from error
    return (1.0, 0.0) if slope is None else (slope, inter)


def _hounsfield(raw: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """Raw voxels as HU; integers stay integers where slope and intercept allow it."""
    if raw.dtype == np.int16 and (slope, inter) == (1, 0):
        return raw
    if raw.dtype.kind in "iu" and slope == 1 and float(inter).is_integer():
        low, high = int(raw.min()) + int(inter), int(raw.max()) + int(inter)
        if max(-low, high) < 1 << 31:
            dtype = np.promote_types(np.min_scalar_type(min(low, -high - 1)), np.int16)
            if inter == 0:
                return raw.astype(dtype, copy=False)
            return np.add(raw, int(inter), dtype=dtype, casting="unsafe")
    with np.errstate(all="ignore"):  # an overflow gives infinity, which is refused
        return np.add(np.multiply(raw, slope, dtype=np.float32), inter, dtype=np.float32)


def _unscaled(values: np.ndarray, slope: float) -> np.ndarray:
    """A label's values; whole numbers where only the slope's rounding made them others.

    A program that stores a float label as integers writes 1 as 0.9999999 or 1.004.
    """
    nearest = np.rint(values)
    rounded = np.abs(values - nearest).max() <= min(0.51 * abs(slope), 0.01)
    return nearest if rounded else values


def _check_classes(path: str | Path, raw: np.ndarray) -> None:
    if raw.dtype.kind == "u" and raw.max() <= 2:
        return
    wrong = raw[~np.isin(raw, list(CLASSES))]
    if wrong.size:
        values = ", ".join(f"{value:.9g}" for value in np.unique(wrong)[:5])
        whole = float(wrong.flat[0]).is_integer()
        advice = f"Correct it, or in Python: read_label(path, classes={{{wrong.flat[0]:g}: 2}})."
        raise LiverlibError(
            f"{path}: label holds {values}; expected 0 background, 1 liver, 2 tumour. "
            + (advice if whole else "Was it interpolated? Resample it by nearest neighbour.")
        )


def _grid(path: str | Path, header: nib.Nifti1Header) -> Grid:
    try:
        return Grid.from_header(header)
    except (ValueError, np.linalg.LinAlgError, nib.spatialimages.HeaderDataError) as error:
        raise LiverlibError(f"{path}: {error}. Correct sform, qform and pixdim.") from error


def nifti_files(folder: Path) -> list[tuple[str, Path]]:
    """Name and path of each NIfTI file in a folder, numbers in order; hidden files are left out.

    Raises `LiverlibError` where the folder cannot be listed.
    """
    try:
        listed = [path for path in folder.iterdir() if not path.is_dir()] if folder.is_dir() else []
    except OSError as error:
        raise LiverlibError(f"{folder}: cannot be listed ({error.strerror}).") from error
    paths = [path for path in listed if _NIFTI.search(path.name) and path.name[0] != "."]
    paths.sort(key=lambda path: natural_key(path.name))
    return [(printable(volume_name(path)), path) for path in paths]


def _checked(path: str | Path) -> Path:
    """The path; refuses what is no file: opening a pipe would wait for ever."""
    path = Path(path)
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LiverlibError(f"{path}: a loop of links. Name the file itself.") from error
        if os.path.islink(path):
            raise LiverlibError(
                f"{path}: a link to {os.readlink(path)}, no such file. Fetch it first, with "
                "`datalad get` for instance."
            ) from error
        return path  # the reader says what is wrong
    if not path.is_file() and not path.is_dir():
        raise LiverlibError(f"{path}: a pipe or a device. Save the volume to a file first.")
    return path
