"""Reading a scan from a NIfTI file or from a DICOM folder."""

from pathlib import Path

from .dicom import read_dicom
from .nifti import nifti_files, read_nifti_scan
from .volume import Volume


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
    """The paths to give to `read_scan`: a folder's NIfTI files, or else the path itself."""
    path = Path(path)
    files = [file for _, file in nifti_files(path)] if path.is_dir() else []
    return files or [path]
