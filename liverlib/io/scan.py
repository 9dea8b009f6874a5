"""Reading a scan from a NIfTI file or from a DICOM folder, and finding the scans of a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from liverlib.core.text import natural_key, printable

from .dicom import read_dicom
from .nifti import nifti_files, read_nifti_scan, volume_name
from .volume import Volume

UNREAD = (".hdr", ".img", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha", ".mhd", ".mnc")  # volumes too


def read_scan(path: str | Path, series: str | None = None) -> Volume:
    """The scan in a NIfTI file or in a folder of DICOM files, in Hounsfield units and RAS order.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file, or a folder that holds the DICOM files of a CT.
        series: one of several DICOM series: its number, description or UID.

    Raises `LiverlibError` for anything but a readable 3D volume of finite numbers, and for a
    folder that holds no CT slices, or several series of which none is named.

    >>> scan = read_scan("scan.nii.gz")
    """
    if Path(path).is_dir():
        return read_dicom(path, series)
    return read_nifti_scan(path)


def find_scans(path: str | Path) -> list[Path]:
    """The paths to give to `read_scan`: those of a folder, or else the path itself.

    The scans of a folder are its NIfTI files, and its subfolders that hold DICOM files. A folder
    without NIfTI files counts as one DICOM folder. Raises `LiverlibError` where the folder cannot
    be listed.
    """
    path = Path(path)
    files = [file for _, file in nifti_files(path)]
    return [*files, *_dicom_folders(path)] if files else [path]


def passed_over(folder: str | Path) -> list[Path]:
    """What a folder of NIfTI files holds that looks like a scan and is none of `find_scans`."""
    folder = Path(folder)
    if (scans := find_scans(folder)) == [folder]:
        return []
    return [path for path in _visible(folder) if path not in scans and _like_a_scan(path, folder)]


def scan_name(path: str | Path) -> str:
    """What a scan is called: as its file or folder, or as the link to it, in printable letters."""
    return printable(volume_name(os.path.abspath(path))) or "scan"


def _dicom_folders(folder: Path) -> list[Path]:
    folders = [path for path in _visible(folder) if path.is_dir() and not _leads_up(path, folder)]
    return [path for path in folders if any(map(_is_dicom, _files_below(path)))]


def _visible(folder: Path) -> list[Path]:
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(paths, key=lambda path: natural_key(path.name))


def _leads_up(path: Path, folder: Path) -> bool:
    """Whether a link leads to the folder that it lies in, or to one above."""
    return path.is_symlink() and folder.resolve().is_relative_to(path.resolve())


def _files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder; links to folders are not followed, so that loops end."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _is_dicom(path: Path) -> bool:
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _like_a_scan(path: Path, folder: Path) -> bool:
    """Whether a file holds a volume or a slice of another kind, or a folder NIfTI files."""
    if path.is_dir():
        return _leads_up(path, folder) or bool(nifti_files(path))
    return path.suffix.lower() in UNREAD or _is_dicom(path)
