"""The slices of a DICOM folder: their headers, checked number by number, and their pixels.

Headers are written by many programs, and anything may be absent, empty or text. What is not
understood is refused by name, so that no slice is left out and no number guessed.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from liverlib.core.arrays import is_lack_of_memory
from liverlib.core.errors import LiverlibError

if TYPE_CHECKING:
    from pydicom import Dataset

TAGS = [
    "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "RescaleSlope", "RescaleIntercept",
]  # fmt: skip
SKEW = 0.01  # tolerance of directions that should be upright on each other and of length one

SeriesNames = tuple[str, str, str]  # number, description, UID
Headers = list[tuple[Path, "Dataset"]]  # without their pixels


@dataclass(frozen=True, eq=False)
class Slice:
    """A CT slice: its file, where it lies in mm (in DICOM's LPS), and the scale of its pixels."""

    path: Path
    shape: tuple[int, int]  # rows, columns
    position: np.ndarray  # (3,), of the first pixel
    directions: np.ndarray  # (2, 3): along a row, along a column
    spacing: np.ndarray  # (2,): between rows, between columns
    slope: float
    intercept: float

    @property
    def normal(self) -> np.ndarray:
        """The direction in which slices follow each other, (3,)."""
        return np.cross(*self.directions)


def read_headers(folder: Path) -> tuple[dict[SeriesNames, Headers], Headers, list[Path]]:
    """The folder's CT slices by series, its other DICOM files, and the files that are not DICOM.

    Hidden files and folders and a DICOMDIR are left out. Raises `LiverlibError` for an unreadable
    file.
    """
    dcmread, errors = _pydicom()
    if not folder.is_dir():
        raise LiverlibError(f"{folder}: no such folder. Name the one that holds the DICOM files.")
    series: dict[SeriesNames, Headers] = {}
    others: Headers = []
    foreign: list[Path] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.name.upper() == "DICOMDIR":
            continue
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
            names = _names(header)
            if header.get("Modality") == "CT" and "ImagePositionPatient" in header:
                series.setdefault(names, []).append((path, header))
            else:
                others.append((path, header))
        except errors.InvalidDicomError:
            foreign.append(path)
        except Exception as error:  # pydicom raises many kinds
            raise _unreadable(path, error) from error
    return _joined(series), others, foreign


def _joined(series: dict[SeriesNames, Headers]) -> dict[SeriesNames, Headers]:
    """The series, those of one UID as one: some slice has another description, or number.

    Where two of their slices lie at one position, they stay apart: several series were given one
    UID.
    """
    by_uid: dict[str, list[SeriesNames]] = {}
    for names in series:
        by_uid.setdefault(names[2], []).append(names)
    for uid, (first, *more) in by_uid.items():
        if not (uid and more):
            continue
        headers = [pair for names in (first, *more) for pair in series[names]]
        positions = {tuple(_position(*pair).round(3)) for pair in headers}
        if len(positions) == len(headers):
            series[first] = headers
            for names in more:
                del series[names]
    return series


def checked(path: Path, header: "Dataset") -> Slice:
    """The slice that a header describes; raises `LiverlibError` for a number that is none."""
    rows, columns = (int(_numbers(path, header, key, 1)[0]) for key in ("Rows", "Columns"))
    directions = _numbers(path, header, "ImageOrientationPatient", 6).reshape(2, 3)
    spacing = _numbers(path, header, "PixelSpacing", 2)
    if min(rows, columns) < 2 or min(spacing) <= 0:
        raise LiverlibError(
            f"{path}: has {rows}×{columns} pixels, {spacing[0]:g}×{spacing[1]:g} mm apart. Export "
            "it again."
        )
    if not np.allclose(directions @ directions.T, np.eye(2), atol=SKEW):
        raise LiverlibError(
            f"{path}: ImageOrientationPatient is {directions.ravel().tolist()}, no two upright "
            "directions. Export it again."
        )
    slope = _numbers(path, header, "RescaleSlope", 1, absent=1.0)[0]
    intercept = _numbers(path, header, "RescaleIntercept", 1, absent=0.0)[0]
    if slope == 0:
        raise LiverlibError(f"{path}: RescaleSlope is 0, which leaves no scan. Export it again.")
    position = _position(path, header)
    return Slice(path, (rows, columns), position, directions, spacing, slope, intercept)


def hounsfield(item: Slice) -> np.ndarray:
    """The slice's pixels (rows, columns) in HU: int16 or int32 where they fit, else float32.

    Raises `LiverlibError` where they cannot be unpacked, or are no single grey slice.
    """
    stored = _decoded(item.path)
    if stored.shape != item.shape:
        raise LiverlibError(
            f"{item.path}: holds pixels of shape {stored.shape}; expected one grey slice of "
            f"{item.shape}. Convert it first, with dcm2niix for instance."
        )
    if stored.dtype.kind in "iu" and item.slope == 1 and item.intercept.is_integer():
        low, high = (int(edge) + int(item.intercept) for edge in (stored.min(), stored.max()))
        for dtype in (np.int16, np.int32):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return (stored.astype(np.int64) + int(item.intercept)).astype(dtype)
    with np.errstate(over="ignore"):
        hu = (stored * item.slope + item.intercept).astype(np.float32)
    if not np.isfinite(hu).all():
        raise LiverlibError(f"{item.path}: holds pixels beyond all numbers. Export it again.")
    return hu


def quiet() -> AbstractContextManager:
    """Keeps pydicom's own warnings from being printed: what matters is raised."""
    return warnings.catch_warnings(action="ignore")


def _position(path: Path, header: "Dataset") -> np.ndarray:
    return _numbers(path, header, "ImagePositionPatient", 3)


def _numbers(
    path: Path, header: "Dataset", key: str, count: int, absent: float | None = None
) -> np.ndarray:
    """So many finite numbers of an attribute; `absent` stands for an attribute that is not there.

    Raises `LiverlibError` for any other number of them, for text, and for an empty attribute.
    """
    if absent is not None and key not in header:
        return np.array([absent])
    try:
        value = header.get(key)
        numbers = np.array(np.nan if value is None else value, float).reshape(-1)
    except Exception:  # pydicom raises many kinds
        value, numbers = "no number", np.array([])
    if len(numbers) != count or not np.isfinite(numbers).all():
        state = "absent" if key not in header else str(value)[:60] if value else "empty"
        raise LiverlibError(
            f"{path}: {key} is {state}; expected {count} number{'s' * (count > 1)}. "
            "Export it again."
        )
    return numbers


def _names(header: "Dataset") -> SeriesNames:
    number, description, uid = (
        str(header.get(key) or "")
        for key in ("SeriesNumber", "SeriesDescription", "SeriesInstanceUID")
    )
    return number, description, uid


def _decoded(path: Path) -> np.ndarray:
    dcmread, _ = _pydicom()
    try:
        return dcmread(path).pixel_array
    except (RuntimeError, NotImplementedError, AttributeError, ImportError) as error:
        raise LiverlibError(
            f"{path}: its pixels cannot be unpacked ({_first_line(error)}). Install what unpacks "
            "them: pip install pylibjpeg pylibjpeg-openjpeg pylibjpeg-libjpeg. Or convert the "
            "folder with dcm2niix."
        ) from error
    except Exception as error:  # pydicom raises many kinds
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> LiverlibError:
    if is_lack_of_memory(error):
        size = path.stat().st_size
        return LiverlibError(
            f"{path}: not enough memory to read it ({size:,} bytes on disk), or damaged."
        )
    if isinstance(error, OSError) and error.errno:  # of the system, not of the content
        return LiverlibError(
            f"{path}: cannot be read ({error.strerror}). Allow reading it, or check the disk."
        )
    return LiverlibError(
        f"{path}: truncated or corrupt ({_first_line(error)}). Copy or export it again."
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


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
