"""The bytes of NIfTI files: numbers of every type, checksums, headers that claim too much."""

import errno
import gzip
import os
import subprocess
import sys

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


def test_a_file_is_packed_whatever_the_case_of_its_name(tmp_path):
    with create(tmp_path / "MASK.NII.GZ") as file:
        file.write(b"voxels")
    assert gzip.decompress((tmp_path / "MASK.NII.GZ").read_bytes()) == b"voxels"


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


def text_mode(content: bytes) -> bytes:
    """What a transfer in text mode makes of a file."""
    return content.replace(b"\n", b"\r\n")


LENGTHENED = {
    "text mode": text_mode,
    "one byte more": lambda content: content + b"\0",
    "a byte within": lambda content: content[:400] + b"\0" + content[400:],
}


@pytest.mark.parametrize("change", LENGTHENED.values(), ids=LENGTHENED)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("read", [read_nifti, verify], ids=["read", "verify"])
def test_a_file_longer_than_its_header_says_is_refused(tmp_path, change, suffix, read):
    whole = stored(tmp_path / "whole.nii", NUMBERS, np.eye(4)).read_bytes()
    assert whole.count(b"\n") == 1  # in a voxel
    path, content = tmp_path / f"a{suffix}", change(whole)
    path.write_bytes(content if suffix == ".nii" else gzip.compress(content))
    with pytest.raises(LiverlibError, match=rf"a{suffix}: longer than its header says.*again"):
        read(path)


@pytest.mark.parametrize(
    "change", [text_mode, lambda content: content.replace(b"\r\n", b"\n")], ids=["CR LF", "LF"]
)
@pytest.mark.parametrize("nifti", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_that_were_changed_never_give_other_voxels(tmp_path, change, nifti, packed):
    voxels = np.frombuffer(b"\r\n\n\r" * 16000, np.int16).reshape(32, 40, 25)
    image = (nib.Nifti1Image if nifti == 1 else nib.Nifti2Image)(voxels, np.diag([2.0, 2, 2, 1]))
    content = gzip.compress(image.to_bytes()) if packed else image.to_bytes()
    path = tmp_path / "a.nii"
    path.write_bytes(change(content))
    if path.read_bytes() == content:  # no such pair of bytes in it
        np.testing.assert_array_equal(read_nifti(path)[1], voxels)
        return
    with pytest.raises(LiverlibError, match=r"a\.nii: "):
        read_nifti(path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_what_the_system_refuses_is_not_called_corrupt(tmp_path, monkeypatch, number):
    path = stored(tmp_path / "a.nii.gz", NUMBERS, np.eye(4))

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("liverlib.io.nifti_bytes._open", refuse)
    with pytest.raises(LiverlibError, match=os.strerror(number)) as caught:
        read_nifti(path)
    assert "corrupt" not in str(caught.value)


READ = """
import resource, sys
from liverlib.io.nifti import read_label
from liverlib.io.scan import read_scan

with open("/proc/self/statm") as file:
    held = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 50_000_000,) * 2)
try:
    (read_label if sys.argv[2] == "label" else read_scan)(sys.argv[1])
except ValueError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of memory elsewhere")
@pytest.mark.parametrize("kind", ["scan", "label"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_too_little_memory_is_told_with_what_is_needed(tmp_path, kind, suffix):
    header = nib.Nifti1Header()
    header.set_data_shape((500, 500, 250))
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"] = b"n+1", 352
    path = tmp_path / f"a{suffix}"
    with create(path) as file:
        header.write_to(file)
        for _ in range(250):
            file.write(bytes(500_000))
    command = [sys.executable, "-c", READ, path, kind]
    done = subprocess.run(command, capture_output=True, text=True)
    sentence = f"LiverlibError {path}: not enough memory: 500 × 500 × 250 voxels take 125.0 MB"
    assert done.stdout.startswith(sentence), done.stderr


def test_several_gzip_members_and_extension_blocks_are_read(tmp_path, recwarn):
    image = nib.Nifti1Image(NUMBERS, np.diag([2.0, 2, 2, 1]))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"written by hand"))
    content = image.to_bytes()
    members = gzip.compress(content[:401]) + gzip.compress(content[401:])
    (tmp_path / "a.nii.gz").write_bytes(members)
    (tmp_path / "a.nii").write_bytes(content[:352] + b"\7\0\0\0" + content[356:])  # odd size
    for name in ("a.nii", "a.nii.gz"):
        np.testing.assert_array_equal(read_nifti(tmp_path / name)[1], NUMBERS)
    assert not recwarn.list


def test_nibabels_own_words_do_not_come_before_the_sentence(tmp_path, capfd, caplog):
    content = bytearray(stored(tmp_path / "a.nii", NUMBERS, np.eye(4)).read_bytes())
    content[70:74] = b"\xff\xff\x07\x00"  # datatype and bitpix of nothing
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(LiverlibError, match="not a NIfTI file"):
        read_nifti(tmp_path / "a.nii")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
