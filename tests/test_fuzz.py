"""A short run of the fuzzer, header fields by hypothesis, and what once failed."""

import damage
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.preprocessing.cube import CubeSettings, to_cube

fuzz = pytest.importorskip("fuzz", reason="no limits of memory here")
FIELDS = nib.Nifti1Header.template_dtype


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "scan.nii"
    scan, _ = simple_case(size=8)
    write_volume(path, scan.voxels, scan.grid)
    return path


def test_damaged_files_end_in_a_right_cube_or_a_refusal():
    text, failed = fuzz.run(first=1_000_000, count=150)
    assert not failed
    assert text.total() == 150
    assert text["made"] > 5


def test_the_fuzzer_sees_what_goes_wrong(tmp_path, monkeypatch):
    case = damage.write_input(1, tmp_path)
    monkeypatch.setattr("liverlib.preprocessing.cache.to_cube", lambda *_: 1 / 0)
    case.image.write_bytes(damage.sources()[0][0])
    case.label.write_bytes(damage.sources()[0][1])
    with pytest.raises(ZeroDivisionError):
        fuzz.outcome(case, tmp_path / "cubes")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_header_makes_more_than_a_refusal(file, data):
    names = data.draw(st.lists(st.sampled_from(FIELDS.names), min_size=1, max_size=4, unique=True))
    fields = {}
    for name in names:
        kind = FIELDS[name]
        value = st.binary(max_size=kind.itemsize) if kind.kind == "S" else st.floats(width=32)
        fields[name] = data.draw(value | st.integers(-3, 3))
    content = damage.edited(file.read_bytes(), **fields)
    changed = file.with_name("changed.nii")
    changed.write_bytes(content)
    for read in (read_scan, read_label):
        try:
            volume = read(changed)
        except LiverlibError:
            continue
        cube = to_cube(volume, volume, CubeSettings(size=4))
        assert cube.image.shape == (4, 4, 4)


ONCE_FAILED = {
    "units of no name": {"xyzt_units": 6},
    "voxels that begin at infinity": {"vox_offset": np.inf},
    "voxels that begin nowhere": {"vox_offset": np.nan},
    "voxels that begin in the header": {"vox_offset": 0},
    "a slope without its intercept": {"scl_slope": 1, "scl_inter": np.nan},
}


@pytest.mark.parametrize("fields", ONCE_FAILED.values(), ids=ONCE_FAILED)
def test_what_once_failed(file, fields):
    changed = file.with_name("changed.nii")
    changed.write_bytes(damage.edited(file.read_bytes(), **fields))
    if "xyzt_units" in fields:
        np.testing.assert_allclose(read_scan(changed).grid.spacing, 4)
    else:
        with pytest.raises(LiverlibError, match=r"begin|offset|intercept"):
            read_scan(changed)


def test_a_size_that_nibabel_takes_for_freesurfers_is_refused(file):
    content = file.read_bytes()
    for axis, size in enumerate((-1, 1, 1), start=1):
        content = damage.edited(content, dim=(axis, size))
    changed = file.with_name("changed.nii")
    changed.write_bytes(content)
    with pytest.raises(LiverlibError, match="freesurfer"):
        read_scan(changed)


@pytest.mark.parametrize("value", [2**64 - 1, 2**63, 2**31])
def test_integers_beyond_all_hounsfield_units_are_read_as_they_are(tmp_path, value):
    image = np.zeros((4, 4, 4), np.uint64)
    image[1, 2, 3] = value
    stored = nib.Nifti1Image(image, np.diag([2.0, 2, 2, 1]), dtype=np.uint64)
    stored.to_filename(tmp_path / "a.nii")
    assert read_scan(tmp_path / "a.nii").voxels[1, 2, 3] == np.float32(value)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "scan.nii.gz"
    scan, _ = simple_case(size=8)
    write_volume(path, scan.voxels, scan.grid)
    path.write_bytes(path.read_bytes() + damage.bomb() * 1000)  # 64 GB
    with pytest.raises(LiverlibError, match="longer than its header says"):
        read_scan(path)


def test_damaged_dicom_series_end_in_the_stated_volume_or_a_refusal():
    pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    import dicom_fuzz

    texts, failed = dicom_fuzz.run(first=300, count=120)  # 304 and 415 once lost a slice
    assert not failed
    assert texts.total() == 120
    assert dicom_fuzz.run(first=415, count=1)[1] == []
    assert texts["read"] > 5
