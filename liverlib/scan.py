"""Reading and writing a volume with its geometry: the one place that knows orientations.

Files store their axes in any order and direction (LiTS mixes LAS, RAS and LPS). On reading, every
volume is turned to RAS (axis 0 grows to the patient's right, 1 to the front, 2 to the head), as
a view, without copying a voxel; on writing it is turned back to what the file had.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

from liverlib import LiverlibError
from liverlib.files import atomic
from liverlib.nifti import create, read_nifti, read_nifti_header

CLASSES = {0: "background", 1: "liver", 2: "tumour"}
MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # NIfTI codes: metre, micron; all else is taken for mm


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie. `shape` and `affine` (voxel index → world mm) are in RAS order."""

    shape: tuple[int, int, int]
    affine: np.ndarray
    header: nib.Nifti1Header = field(repr=False)  # of the file, in the file's own order

    @classmethod
    def from_header(cls, header: nib.Nifti1Header) -> "Grid":
        """The grid of a NIfTI header; raises `ValueError` where its affine is not invertible."""
        stored = header.get_best_affine()
        zooms = np.linalg.norm(stored[:3, :3], axis=0)
        if not np.isfinite(stored).all() or (zooms <= 0).any() or _flat(stored, zooms):
            raise ValueError("its affine cannot be inverted")
        shape = np.array(header.get_data_shape()[:3])
        order = io_orientation(stored)
        turned = stored @ nib.orientations.inv_ornt_aff(order, shape)
        turned[:3] *= MM_PER_UNIT.get(int(header["xyzt_units"]) % 8, 1.0)
        return cls(tuple(int(n) for n in shape[np.argsort(order[:, 0])]), turned, header)

    @classmethod
    def of(cls, shape: tuple, affine: np.ndarray, orientation: str = "RAS") -> "Grid":
        """A new grid in RAS order that its file is to store as `orientation`, such as "LPS"."""
        order = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
        header = nib.Nifti1Header()
        header.set_data_shape([shape[int(np.where(order[:, 0] == i)[0][0])] for i in range(3)])
        header.set_sform(affine @ nib.orientations.inv_ornt_aff(order, shape), code="scanner")
        header.set_qform(header.get_sform(), code="scanner", strip_shears=True)
        header.set_xyzt_units("mm")
        return cls.from_header(header)

    @property
    def orientation(self) -> str:
        """The directions in which the file's axes grow, such as "LPS"."""
        return "".join(nib.aff2axcodes(self.header.get_best_affine()))

    @property
    def spacing(self) -> np.ndarray:
        """Distance in mm from voxel to voxel along each axis, (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def spacing_known(self) -> bool:
        """Whether millimetres can be believed.

        LiTS cases 28–47 (3D-IRCADb) carry an identity affine, 1×1×1 mm at the origin, that is
        false: their volumes by header are wrong by factors of 0.5 to 2.2.
        """
        identity = np.allclose(np.abs(self.header.get_best_affine()), np.eye(4), atol=1e-4)
        placed = self.header["sform_code"] > 0 or self.header["qform_code"] > 0
        return not identity and (placed or not np.allclose(self.spacing, 1))

    @property
    def voxel_ml(self) -> float:
        """Millilitres in a voxel, by the affine's determinant; NaN where spacing is unknown."""
        return abs(np.linalg.det(self.affine[:3, :3])) / 1000 if self.spacing_known else np.nan

    def matches(self, other: "Grid") -> bool:
        """Whether voxels of equal index are at equal places, to a tenth of a voxel anywhere."""
        if self.shape != other.shape:
            return False
        corner = np.array([*self.shape, 1.0])
        apart = np.abs(self.affine - other.affine) @ corner
        return bool((apart[:3] < 0.1 * self.spacing.min()).all())

    def to_ras(self, stored: np.ndarray) -> np.ndarray:
        """A view of an array in the file's order, turned to RAS."""
        return apply_orientation(stored, io_orientation(self.header.get_best_affine()))

    def to_stored(self, ras: np.ndarray) -> np.ndarray:
        """A view of an array in RAS order, turned to the file's order."""
        order = io_orientation(self.header.get_best_affine())
        return apply_orientation(ras, ornt_transform(axcodes2ornt("RAS"), order))


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels (X, Y, Z) in RAS order on their grid.

    A scan is a volume of Hounsfield units (integers where the file allows, else float32), a label
    or a mask is one of classes (uint8: 0 background, 1 liver, 2 tumour).
    """

    voxels: np.ndarray
    grid: Grid
    name: str = ""


def read_scan(path: str | Path) -> Volume:
    """The scan in a ``.nii`` or ``.nii.gz`` file, in Hounsfield units.

    Raises `LiverlibError` for what is not a readable 3D volume of finite numbers.
    """
    header, raw = read_nifti(Path(path))
    voxels = _hounsfield(raw, *_slope_inter(path, header))
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise LiverlibError(
            f"{path}: holds NaN or infinite voxels. Replace them, with -1024 (air) for instance."
        )
    grid = _grid(path, header)
    return Volume(grid.to_ras(voxels), grid, volume_name(path))


def read_label(
    path: str | Path, like: Volume | None = None, classes: Mapping[int, int] | None = None
) -> Volume:
    """The label in a file: 0 background, 1 liver, 2 tumour, as uint8.

    With `like`, its scan, the two must lie on the same grid. `classes` renames what the file
    holds, for instance ``{255: 2}``. Raises `LiverlibError` for any other value.
    """
    header, raw = read_nifti(Path(path))
    slope, inter = _slope_inter(path, header)
    if (slope, inter) != (1, 0):
        raw = raw * slope + inter
    for old, new in (classes or {}).items():
        raw = np.where(raw == old, raw.dtype.type(new), raw)
    _check_classes(path, raw)
    grid = _grid(path, header)
    if like is not None and not grid.matches(like.grid):
        raise LiverlibError(_mismatch(path, grid, like))
    return Volume(grid.to_ras(raw.astype(np.uint8, copy=False)), grid, volume_name(path))


def write_volume(path: str | Path, voxels: np.ndarray, grid: Grid, slope: float = 1.0) -> None:
    """Writes an array in RAS order with the shape, affine, orientation and units of `grid`'s file.

    What readers see is `slope` times the voxels. Equal voxels give equal bytes. Raises
    `LiverlibError` where the folder cannot be written.
    """
    stored, header = grid.to_stored(voxels), grid.header.copy()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(voxels.dtype)
    header.set_slope_inter(slope, 0)
    header["cal_min"] = header["cal_max"] = 0
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    header.extensions.clear()
    dtype = header.get_data_dtype()  # in the header's own order of bytes
    with atomic(path) as temporary, create(temporary) as file:
        header.write_to(file)
        for n in range(stored.shape[2]):
            file.write(stored[:, :, n].astype(dtype, copy=False).tobytes(order="F"))


def volume_name(path: str | Path) -> str:
    """The file's name without ``.nii`` or ``.nii.gz``."""
    return Path(path).name.removesuffix(".gz").removesuffix(".nii")


def read_header(path: str | Path) -> Grid:
    """The grid of a file without reading its voxels."""
    return _grid(path, read_nifti_header(Path(path)))


def _slope_inter(path: str | Path, header: nib.Nifti1Header) -> tuple[float, float]:
    """What turns raw voxels into values; (1, 0) where the header says nothing."""
    try:
        slope, inter = header.get_slope_inter()
    except nib.spatialimages.HeaderDataError as error:
        raise LiverlibError(f"{path}: {error}. Correct scl_slope and scl_inter.") from error
    return (1.0, 0.0) if slope is None else (slope, inter)


def _hounsfield(raw: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """Raw voxels to HU: integers stay integers where slope and intercept allow it."""
    if raw.dtype == np.int16 and (slope, inter) == (1, 0):
        return raw
    if raw.dtype.kind in "iu" and slope == 1 and float(inter).is_integer():
        low, high = int(raw.min()) + int(inter), int(raw.max()) + int(inter)
        if max(-low, high) < 1 << 31:
            dtype = np.promote_types(np.min_scalar_type(min(low, -high - 1)), np.int16)
            if inter == 0:
                return raw.astype(dtype, copy=False)
            return np.add(raw, int(inter), dtype=dtype, casting="unsafe")
    with np.errstate(all="ignore"):  # what overflows is infinite, and refused as such
        return np.add(np.multiply(raw, slope, dtype=np.float32), inter, dtype=np.float32)


def _check_classes(path: str | Path, raw: np.ndarray) -> None:
    if raw.dtype.kind == "u" and raw.max() <= 2:
        return
    wrong = raw[~np.isin(raw, list(CLASSES))]
    if wrong.size:
        found = ", ".join(f"{value:g}" for value in np.unique(wrong)[:5])
        raise LiverlibError(
            f"{path}: label holds {found}; expected 0 background, 1 liver, 2 tumour. "
            f"Correct it, or rename: classes={{{wrong.flat[0]:g}: 2}}."
        )


def _grid(path: str | Path, header: nib.Nifti1Header) -> Grid:
    try:
        return Grid.from_header(header)
    except (ValueError, np.linalg.LinAlgError, nib.spatialimages.HeaderDataError) as error:
        raise LiverlibError(f"{path}: {error}. Correct sform, qform and pixdim.") from error


def _mismatch(path: str | Path, grid: Grid, like: Volume) -> str:
    what = "shape" if grid.shape != like.grid.shape else "affine"
    ours, theirs = getattr(grid, what), getattr(like.grid, what)
    if what == "affine":
        ours, theirs = np.round(ours, 2).tolist(), np.round(theirs, 2).tolist()
    return (
        f"{path}: its {what} is {ours}, its scan {like.name} has {theirs} (in RAS order). "
        "Resample the label onto the scan, or correct its header if the voxels do line up."
    )


def _flat(affine: np.ndarray, zooms: np.ndarray) -> bool:
    """Whether two axes point the same way, or so nearly that no volume is left between them."""
    return abs(np.linalg.det(affine[:3, :3] / zooms)) < 0.01
