"""The bytes of NIfTI files: numbers of every type, checksums, headers that claim too much."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nifti_files import NUMBERS, stored

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti_bytes import create, read_nifti, read_nifti_header, verify
from liverlib.io.scan import read_scan


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f4", ">f8", "u2"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_values_do_not_depend_on_how_they_are_stored(tmp_path, dtype, suffix):
    image = nib.Nifti1Image(NUMBERS.astype(dtype), np.diag([2.0, 2, 2, 1]))
    image.set_data_dtype(dtype)
    nib.save(image, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_scan(tmp_path / f"a{suffix}").voxels, NUMBERS)


def test_a_header_that_claims_more_than_the_file_can_hold_is_refused(tmp_path):
    path = stored(tmp_path / "a.nii.gz", NUMBERS, np.eye(4))
    header = nib.load(path).header.copy()
    header["dim"][1:4], header["vox_offset"] = 32767, 352
    with nib.openers.ImageOpener(path, "wb") as file:
        file.write(header.binaryblock + bytes(1000))
    with pytest.raises(LiverlibError, match="its header claims"):
        read_scan(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_whole_file_is_verified_without_keeping_it(tmp_path, suffix):
    path = stored(tmp_path / f"a{suffix}", NUMBERS, np.eye(4))
    header, unpacked = verify(path)
    assert unpacked == 352 + NUMBERS.nbytes
    assert header.get_data_shape() == read_nifti_header(path).get_data_shape() == NUMBERS.shape
    assert isinstance(read_nifti(path)[1], np.memmap) == (suffix == ".nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_what_lacks_bytes_is_not_verified(tmp_path, suffix):
    path = stored(tmp_path / f"a{suffix}", NUMBERS, np.eye(4))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LiverlibError, match=rf"a{suffix}: truncated or corrupt"):
        verify(path)


def test_a_packed_file_holds_neither_time_nor_name(tmp_path):
    for name in ("a.gz", "b.gz"):
        with create(tmp_path / name) as file:
            file.write(b"content" * 99)
    content = (tmp_path / "a.gz").read_bytes()
    assert content == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress(content) == b"content" * 99
    with create(tmp_path / "c.nii") as file:
        file.write(b"content")
    assert (tmp_path / "c.nii").read_bytes() == b"content"
