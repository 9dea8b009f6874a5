"""Reads a CT series from a folder of DICOM files, as the `Volume` that its NIfTI file would give.

Slices are sorted and spaced by their positions. Names, instance numbers and SliceThickness are not
used. The axes are stored as dcm2niix stores them: columns as they are, rows from the back to the
front, slices along the normal. An axial CT becomes LAS. Needs pydicom (the extra "dicom").
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from liverlib.core.errors import LiverlibError

from .volume import Grid, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

UNEVEN = 0.05  # tolerance of the step between slices, relative: positions are rounded
TILTED = 0.01  # mm by which a slice may shift within its plane, from the slice before
TAGS = [
    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "NumberOfFrames",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "RescaleSlope", "RescaleIntercept",
]  # fmt: skip

Slices = list[tuple[Path, "Dataset"]]  # headers without their pixels
SeriesNames = tuple[str, str, str]  # number, description, UID


def read_dicom(folder: str | Path, series: str | None = None) -> Volume:
    """The CT series in a folder and its subfolders, in Hounsfield units and RAS order.

    `series` names one of several: its number, description or UID. Raises `LiverlibError` where
    there is no CT series, where several are there and none is named (it lists them), and for
    slices that make no evenly spaced, upright volume.
    """
    folder = Path(folder)
    slices = _sorted_slices(folder, series)
    positions = np.array([header.ImagePositionPatient for _, header in slices], float)
    _check_alike(slices)
    _check_positions(slices, positions)
    voxels, grid = _pixels(slices), _grid(slices, positions)
    return Volume(grid.to_ras(voxels), grid, folder.resolve().name)


def series_files(folder: str | Path, series: str | None = None) -> list[Path]:
    """The files that `read_dicom` makes a volume of, in its order; raises as it does."""
    return [path for path, _ in _sorted_slices(Path(folder), series)]


def _sorted_slices(folder: Path, series: str | None) -> Slices:
    return _along_normal(_named_series(folder, _all_series(folder), series))


def _all_series(folder: Path) -> dict[SeriesNames, Slices]:
    """The folder's CT slices by series; files that are not DICOM or not CT are left out."""
    dcmread, errors = _pydicom()
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the DICOM files.")
    by_series: dict[SeriesNames, Slices] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.startswith("."):
            continue
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
        except errors.InvalidDicomError:
            continue
        except (OSError, EOFError, ValueError) as error:
            raise LiverlibError(
                f"{path}: truncated or corrupt ({error}). Copy or export it again."
            ) from error
        if header.get("Modality") == "CT" and "ImagePositionPatient" in header:
            by_series.setdefault(_names(header), []).append((path, header))
    if not by_series:
        raise LiverlibError(
            f"{folder}: holds no CT slices (DICOM files of modality CT that state a position). "
            "Name a NIfTI scan by its file, not by its folder. DICOM files of several frames must "
            "be converted first, with dcm2niix for instance."
        )
    return by_series


def _named_series(folder: Path, by_series: dict[SeriesNames, Slices], series: str | None) -> Slices:
    """The slices of the series with this name, or of the only one."""
    matching = [slices for names, slices in by_series.items() if series is None or series in names]
    if len(matching) == 1:
        return matching[0]
    listed = "\n".join(
        f"  number {number or '?'}  “{description}”  {len(slices)} slices  {uid}"
        for (number, description, uid), slices in by_series.items()
    )
    why = "holds several CT series" if series is None else f"series {series!r} is not one of these"
    raise LiverlibError(
        f"{folder}: {why}:\n{listed}\nName one by its number, description or UID: --series."
    )


def _names(header: "Dataset") -> SeriesNames:
    number, description, uid = (
        str(header.get(key) or "")
        for key in ("SeriesNumber", "SeriesDescription", "SeriesInstanceUID")
    )
    return number, description, uid


def _along_normal(slices: Slices) -> Slices:
    """Sorted along the normal of the first slice: for an axial CT from the feet to the head."""
    path, first = slices[0]
    if len(slices) < 2:
        raise LiverlibError(f"{path}: the only slice of its series. Name the whole series' folder.")
    if "ImageOrientationPatient" not in first or "PixelSpacing" not in first:
        raise LiverlibError(f"{path}: lacks orientation or pixel spacing. Export it again.")
    normal = _normal(first)
    return sorted(slices, key=lambda item: float(normal @ item[1].ImagePositionPatient))


def _check_alike(slices: Slices) -> None:
    """Refuses slices that differ in size, direction or pixel spacing."""
    first_path, first = slices[0]
    for key in ("Rows", "Columns", "ImageOrientationPatient", "PixelSpacing"):
        expected = np.array(first.get(key), float)
        for path, header in slices:
            value = np.array(header.get(key, np.nan), float)
            if value.shape != expected.shape or not np.allclose(expected, value, atol=1e-3):
                raise LiverlibError(
                    f"{path}: {key} is {header.get(key)}, in {first_path.name} {first.get(key)}. "
                    "A scout or another series? Move what does not belong away."
                )


def _check_positions(slices: Slices, positions: np.ndarray) -> None:
    """Refuses uneven steps along the normal, and any step within the plane of the slices."""
    normal, steps = _normal(slices[0][1]), np.diff(positions, axis=0)
    along = steps @ normal
    usual = float(np.median(along))
    for (before, after), step in zip(pairwise(path for path, _ in slices), along, strict=True):
        if step < UNEVEN * usual or usual == 0:
            raise LiverlibError(
                f"{after}: lies where {before.name} lies. The series holds several volumes, or "
                "files twice: keep one of each."
            )
        if abs(step - usual) > UNEVEN * usual:
            raise LiverlibError(
                f"{after}: lies {step:.2f} mm from {before.name}, the others {usual:.2f} mm from "
                "each other. Slices are missing, or it is not one volume: export it again."
            )
    shift = np.linalg.norm(steps - along[:, None] * normal, axis=1).max()
    if shift > TILTED * max(1.0, usual):
        degrees = np.degrees(np.arctan2(shift, usual))
        raise LiverlibError(
            f"{slices[0][0].parent}: the gantry was tilted by {degrees:.1f}°, so the slices do not "
            "stand upright on each other. Straighten it first: dcm2niix does."
        )


def _grid(slices: Slices, positions: np.ndarray) -> Grid:
    first = slices[0][1]
    direction = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    down, across = (float(mm) for mm in first.PixelSpacing)  # between rows, between columns
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = direction[0] * across, -direction[1] * down
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 3] = positions[0] + direction[1] * down * (first.Rows - 1)
    affine[:2] *= -1  # DICOM's patient axes are LPS, NIfTI's RAS
    header = nib.Nifti1Header()
    header.set_data_shape((first.Columns, first.Rows, len(slices)))
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    return Grid.from_header(header)


def _pixels(slices: Slices) -> np.ndarray:
    """(columns, rows, slices) in HU: int16 where slopes and intercepts allow it, else float32."""
    scales = [
        (float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0)))
        for _, header in slices
    ]
    whole = all(slope == 1 and intercept.is_integer() for slope, intercept in scales)
    first = slices[0][1]
    hu = np.empty((len(slices), first.Rows, first.Columns), np.int16 if whole else np.float32)
    for plane, (path, _), (slope, intercept) in zip(hu, slices, scales, strict=True):
        stored = _decoded(path)
        if stored.shape != plane.shape:
            raise LiverlibError(
                f"{path}: holds pixels of shape {stored.shape}; expected one grey slice of "
                f"{plane.shape}. Convert it first, with dcm2niix for instance."
            )
        plane[:] = stored.astype(np.int32) + int(intercept) if whole else stored * slope + intercept
    return hu.transpose(2, 1, 0)[:, ::-1]


def _decoded(path: Path) -> np.ndarray:
    dcmread, _ = _pydicom()
    try:
        return dcmread(path).pixel_array
    except (RuntimeError, NotImplementedError, AttributeError, ImportError) as error:
        raise LiverlibError(
            f"{path}: its pixels cannot be unpacked ({str(error).splitlines()[0]}). For JPEG 2000: "
            "pip install pylibjpeg pylibjpeg-openjpeg."
        ) from error
    except (OSError, EOFError, ValueError) as error:
        raise LiverlibError(
            f"{path}: truncated or corrupt ({error}). Copy or export it again."
        ) from error


def _normal(header: "Dataset") -> np.ndarray:
    row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    return np.cross(row, column)


def _pydicom() -> tuple[Callable[..., "Dataset"], ModuleType]:
    """pydicom's reader and errors, imported when needed."""
    try:
        from pydicom import dcmread, errors
    except ImportError as error:
        raise LiverlibError(
            "reading DICOM needs pydicom: pip install pydicom pylibjpeg pylibjpeg-openjpeg, or "
            "convert the folder to NIfTI with dcm2niix."
        ) from error
    return dcmread, errors
