"""NIfTI files for tests: stored by nibabel, or with a header as wrong as a test needs it."""

from pathlib import Path

import nibabel as nib
import numpy as np

NUMBERS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def stored(path: Path, array: np.ndarray, affine: np.ndarray, **header) -> Path:
    """Writes an array as nibabel does, with header fields changed afterwards."""
    image = nib.Nifti1Image(array, affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def raw_file(path: Path, array: np.ndarray, **header) -> Path:
    """Writes the bytes of a ``.nii`` with header fields as given, however wrong."""
    written = nib.Nifti1Header()
    written.set_data_shape(array.shape)
    written.set_data_dtype(array.dtype)
    written.set_sform(np.diag([2.0, 2, 2, 1]), code=1)
    written["vox_offset"], written["magic"] = 352, b"n+1"
    for name, value in header.items():
        written[name] = value
    path.write_bytes(written.binaryblock + bytes(4) + array.tobytes("F"))
    return path
