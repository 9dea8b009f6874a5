"""A CT series in a folder of DICOM files → the same `Volume` that its NIfTI file would give.

Slices are sorted by where they lie, never by name or number, and spaced by it (SliceThickness is
something else). Stored as dcm2niix stores them: columns as they are, rows from the back to the
front, slices along the normal; an axial CT becomes LAS. Needs pydicom (the extra "dicom").
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from liverlib.core.errors import LiverlibError

from .volume import Grid, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

UNEVEN = 0.05  # share of the step by which slices may miss their place: positions are rounded
TILTED = 0.01  # mm that slices may slide within their plane, from one to the next
TAGS = [
    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "NumberOfFrames",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "RescaleSlope", "RescaleIntercept",
]  # fmt: skip


def read_dicom(folder: str | Path, series: str | None = None) -> Volume:
    """The CT series in a folder (and those below it), in Hounsfield units.

    Of several, `series` names one: its number, description or UID. Raises `LiverlibError` that
    lists them where it does not, and for slices that make no even, upright volume.
    """
    folder = Path(folder)
    slices = _slices(folder, series)
    places = np.array([one.ImagePositionPatient for _, one in slices], float)
    _check_alike(slices)
    _check_places(slices, places)
    voxels, grid = _pixels(slices), _grid(slices, places)
    return Volume(grid.to_ras(voxels), grid, folder.resolve().name)


def series_files(folder: str | Path, series: str | None = None) -> list[Path]:
    """The files that `read_dicom` makes a volume of, in its order; raises as it does."""
    return [path for path, _ in _slices(Path(folder), series)]


Slices = list[tuple[Path, "Dataset"]]  # headers without their pixels


def _slices(folder: Path, series: str | None) -> Slices:
    return _in_order(_chosen(folder, _series(folder), series))


def _series(folder: Path) -> dict[tuple, Slices]:
    """The folder's CT slices by series; files that are not DICOM or not CT are passed over."""
    dcmread, errors = _pydicom()
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the DICOM files.")
    found: dict[tuple, Slices] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != "."):
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
        except errors.InvalidDicomError:
            continue
        except (OSError, EOFError, ValueError) as error:
            raise LiverlibError(
                f"{path}: truncated or corrupt ({error}). Copy or export it again."
            ) from error
        if header.get("Modality") == "CT" and "ImagePositionPatient" in header:
            found.setdefault(_names(header), []).append((path, header))
    if not found:
        raise LiverlibError(
            f"{folder}: holds no CT slices (DICOM files of modality CT that say where they lie). "
            "Several frames in one file must be converted first, with dcm2niix for instance."
        )
    return found


def _chosen(folder: Path, found: dict[tuple, Slices], series: str | None) -> Slices:
    matching = [slices for names, slices in found.items() if series is None or series in names]
    if len(matching) == 1:
        return matching[0]
    listed = "\n".join(
        f"  number {number or '?'}  “{about}”  {len(slices)} slices  {uid}"
        for (number, about, uid), slices in found.items()
    )
    why = "holds several CT series" if series is None else f"series {series!r} is not one of these"
    raise LiverlibError(
        f"{folder}: {why}:\n{listed}\nName one by its number, description or UID: --series."
    )


def _names(header: "Dataset") -> tuple[str, str, str]:
    keys = "SeriesNumber", "SeriesDescription", "SeriesInstanceUID"
    return tuple(str(header.get(key) or "") for key in keys)


def _in_order(slices: Slices) -> Slices:
    """Along the normal of the first slice: for an axial CT from the feet to the head."""
    path, first = slices[0]
    if len(slices) < 2:
        raise LiverlibError(f"{path}: the only slice of its series. Name the whole series' folder.")
    if "ImageOrientationPatient" not in first or "PixelSpacing" not in first:
        raise LiverlibError(f"{path}: lacks orientation or pixel spacing. Export it again.")
    normal = _normal(first)
    return sorted(slices, key=lambda one: float(normal @ one[1].ImagePositionPatient))


def _check_alike(slices: Slices) -> None:
    """One size, direction and pixel spacing for all."""
    path, first = slices[0]
    for key in ("Rows", "Columns", "ImageOrientationPatient", "PixelSpacing"):
        ours = np.array(first.get(key), float)
        for other, header in slices:
            theirs = np.array(header.get(key, np.nan), float)
            if theirs.shape != ours.shape or not np.allclose(ours, theirs, atol=1e-3):
                raise LiverlibError(
                    f"{other}: {key} is {header.get(key)}, in {path.name} {first.get(key)}. "
                    "A scout or another series? Move what does not belong away."
                )


def _check_places(slices: Slices, places: np.ndarray) -> None:
    """Even steps along the normal, and none within the plane of the slices."""
    normal, steps = _normal(slices[0][1]), np.diff(places, axis=0)
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
    slid = np.linalg.norm(steps - along[:, None] * normal, axis=1).max()
    if slid > TILTED * max(1.0, usual):
        degrees = np.degrees(np.arctan2(slid, usual))
        raise LiverlibError(
            f"{slices[0][0].parent}: the gantry was tilted by {degrees:.1f}°, so the slices do not "
            "stand upright on each other. Straighten it first: dcm2niix does."
        )


def _grid(slices: Slices, places: np.ndarray) -> Grid:
    first = slices[0][1]
    direction = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    down, across = (float(mm) for mm in first.PixelSpacing)  # between rows, between columns
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = direction[0] * across, -direction[1] * down
    affine[:3, 2] = (places[-1] - places[0]) / (len(places) - 1)
    affine[:3, 3] = places[0] + direction[1] * down * (first.Rows - 1)
    affine[:2] *= -1  # DICOM's patient axes are LPS, NIfTI's RAS
    header = nib.Nifti1Header()
    header.set_data_shape((first.Columns, first.Rows, len(slices)))
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    return Grid.from_header(header)


def _pixels(slices: Slices) -> np.ndarray:
    """(columns, rows, slices), in HU: int16 where slopes and intercepts allow it, else float32."""
    scales = [
        (float(one.get("RescaleSlope", 1)), float(one.get("RescaleIntercept", 0)))
        for _, one in slices
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


def _pydicom() -> Sequence:
    try:
        from pydicom import dcmread, errors
    except ImportError as error:
        raise LiverlibError(
            "reading DICOM needs pydicom: pip install pydicom pylibjpeg pylibjpeg-openjpeg, or "
            "convert the folder to NIfTI with dcm2niix."
        ) from error
    return dcmread, errors
