"""Reading a scan, whatever it is stored as."""

from pathlib import Path

from .dicom import read_dicom
from .nifti import nifti_files, read_nifti_scan
from .volume import Volume


def read_scan(path: str | Path, series: str | None = None) -> Volume:
    """The scan in a NIfTI file or in a folder of DICOM files, in Hounsfield units, RAS.

    Of several DICOM series `series` names one: its number, description or UID. Raises
    `LiverlibError` for what is no readable 3D volume of finite numbers.
    """
    if Path(path).is_dir():
        return read_dicom(path, series)
    return read_nifti_scan(path)


def find_scans(path: str | Path) -> list[Path]:
    """What `read_scan` can read: the file itself, a folder's NIfTI files, or a folder of DICOM."""
    path = Path(path)
    found = [file for _, file in nifti_files(path)] if path.is_dir() else []
    return found or [path]
