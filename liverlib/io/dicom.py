"""Reads a CT series from a folder of DICOM files, as the `Volume` that its NIfTI file would give.

Slices are sorted and spaced by their positions. Names, instance numbers and SliceThickness are not
used. The axes are stored as dcm2niix stores them: columns as they are, rows from the back to the
front, slices along the normal. An axial CT becomes LAS. Needs pydicom (the extra "dicom").
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from liverlib.core.arrays import enough_memory
from liverlib.core.errors import LiverlibError

from .dicom_slices import Headers, SeriesNames, Slice, checked, hounsfield, quiet, read_headers
from .volume import Grid, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

UNEVEN = 0.05  # tolerance of the step between slices, relative: positions are rounded
TILTED = 0.01  # mm by which a slice may shift within its plane, from the slice before
DTYPES: list[np.dtype] = [np.dtype(name) for name in ("int16", "int32", "float32")]  # by width
_UID = re.compile(r"[0-9.]{1,64}")


def read_dicom(folder: str | Path, series: str | None = None) -> Volume:
    """The CT series in a folder and its subfolders, in Hounsfield units and RAS order.

    `series` names one of several: its number, description or UID. Raises `LiverlibError` where
    there is no CT series, where several are there and none is named (it lists them), for
    damaged files, and for slices that make no evenly spaced, upright volume.
    """
    folder = Path(folder)
    with quiet(), np.errstate(all="ignore"):
        slices = _sorted_slices(folder, series)
        _check_alike(slices)
        _check_positions(slices)
        grid = _grid(slices)
        with enough_memory(str(folder), grid.shape):
            voxels = _pixels(slices)
    return Volume(grid.to_ras(voxels), grid, folder.resolve().name)


def series_files(folder: str | Path, series: str | None = None) -> list[Path]:
    """The files that `read_dicom` makes a volume of, in its order; raises as it does."""
    with quiet():
        return [item.path for item in _sorted_slices(Path(folder), series)]


def _sorted_slices(folder: Path, series: str | None) -> list[Slice]:
    """Sorted along the normal of the first slice: for an axial CT from the feet to the head."""
    by_series, others, foreign = read_headers(folder)
    if not by_series:
        raise LiverlibError(
            f"{folder}: holds no CT slices (DICOM files of modality CT that state a position). "
            "Name a NIfTI scan by its file, not by its folder. DICOM files of several frames must "
            "be converted first, with dcm2niix for instance."
        )
    headers = _named_series(folder, by_series, series)
    _check_left_out(headers, others, foreign)
    path = headers[0][0]
    if len(headers) < 2:
        raise LiverlibError(f"{path}: the only slice of its series. Name the whole series' folder.")
    slices = [checked(path, header) for path, header in headers]
    normal = slices[0].normal
    return sorted(slices, key=lambda item: float(normal @ item.position))


def _named_series(
    folder: Path, by_series: dict[SeriesNames, Headers], series: str | None
) -> Headers:
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
        f"{folder}: {why}:\n{listed}\nName one by its number, description or UID: --series. "
        "Of several patients name each folder."
    )


def _check_left_out(headers: Headers, others: Headers, foreign: list[Path]) -> None:
    """Refuses a damaged slice at the end of the volume, which nothing else would miss.

    It is another DICOM file of the series, or looks like a slice's file and is none.
    """
    uid = _uid(headers[0][1])
    for path, header in others:
        if uid and _uid(header) == uid:
            raise LiverlibError(
                f"{path}: belongs to the CT series, but is no CT slice with a position. Copy it "
                "again, or move it away."
            )
    nameless = [
        path
        for path, header in others
        if not _UID.fullmatch(_uid(header))
        or (header.get("Modality") == "CT" and "Rows" not in header)
    ]
    beside = {(path.parent, _suffix(path)) for path, _ in headers}
    half = min(path.stat().st_size for path, _ in headers) / 2
    for path in foreign + nameless:
        large = not 0 < path.stat().st_size < half
        if (path.parent, _suffix(path)) in beside and (large or _suffix(path)):
            raise LiverlibError(
                f"{path}: no DICOM slice, though its name says so. Copy it again, or move it away."
            )


def _uid(header: "Dataset") -> str:
    return str(header.get("SeriesInstanceUID") or "")


def _suffix(path: Path) -> str:
    """The suffix in small letters; files that are named by a UID have none."""
    return "" if path.suffix[1:].isdigit() else path.suffix.lower()


def _check_alike(slices: list[Slice]) -> None:
    """Refuses slices that differ in size, direction or pixel spacing."""
    first = slices[0]
    for item in slices:
        for name, values, expected in (
            ("Rows", item.shape[:1], first.shape[:1]),
            ("Columns", item.shape[1:], first.shape[1:]),
            ("ImageOrientationPatient", item.directions.ravel(), first.directions.ravel()),
            ("PixelSpacing", item.spacing, first.spacing),
        ):
            if not np.allclose(expected, values, atol=1e-3):
                own, usual = (", ".join(f"{x:g}" for x in each) for each in (values, expected))
                raise LiverlibError(
                    f"{item.path}: {name} is {own}, in {first.path.name} {usual}. "
                    "A scout or another series? Move what does not belong away."
                )


def _check_positions(slices: list[Slice]) -> None:
    """Refuses uneven steps along the normal, and any step within the plane of the slices."""
    normal = slices[0].normal
    steps = np.diff([item.position for item in slices], axis=0)
    along = steps @ normal
    usual = float(np.median(along))
    for (before, after), step in zip(pairwise(item.path for item in slices), along, strict=True):
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
            f"{slices[0].path.parent}: the gantry was tilted by {degrees:.1f}°, so the slices do "
            "not stand upright on each other. Straighten it first: dcm2niix does."
        )


def _grid(slices: list[Slice]) -> Grid:
    first, last = slices[0], slices[-1]
    (rows, columns), (down, across) = first.shape, first.spacing
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.directions[0] * across, -first.directions[1] * down
    affine[:3, 2] = (last.position - first.position) / (len(slices) - 1)
    affine[:3, 3] = first.position + first.directions[1] * down * (rows - 1)
    affine[:2] *= -1  # DICOM's patient axes are LPS, NIfTI's RAS
    try:
        header = nib.Nifti1Header()
        header.set_data_shape((columns, rows, len(slices)))
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner", strip_shears=True)
        header.set_xyzt_units("mm")
        return Grid.from_header(header)
    except (ValueError, np.linalg.LinAlgError, nib.spatialimages.HeaderDataError) as error:
        raise LiverlibError(
            f"{first.path}: its position, orientation and spacing make no volume ({error}). "
            "Export it again."
        ) from error


def _pixels(slices: list[Slice]) -> np.ndarray:
    """(columns, rows, slices) in HU: of the narrowest type that holds all slices."""
    voxels = np.empty((0, 0, 0), DTYPES[0])
    for n, item in enumerate(slices):
        plane = hounsfield(item)
        if not n:
            voxels = np.empty((len(slices), *plane.shape), plane.dtype)
        if DTYPES.index(plane.dtype) > DTYPES.index(voxels.dtype):
            voxels = voxels.astype(plane.dtype)
        voxels[n] = plane
    return voxels.transpose(2, 1, 0)[:, ::-1]
