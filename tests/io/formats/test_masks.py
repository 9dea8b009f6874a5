"""One function writes every format, and what it wrote can be told from others' files."""

import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.io.formats.masks import (
    FORMATS,
    companions,
    format_of,
    read_content,
    read_note,
    write_mask,
)
from liverlib.io.nifti import write_volume

NEEDS = {"seg.nrrd": ["nrrd"], "stl": ["trimesh", "skimage"], "glb": ["trimesh", "skimage"]}


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "dcm"])
def test_the_ending_names_the_format_and_the_note_comes_back(tmp_path, kind):
    for module in NEEDS.get(kind, []):
        pytest.importorskip(module, reason="the extra formats is not installed")
    _, label = simple_case()
    path = tmp_path / f"a.b.{kind.upper()}"
    given = []

    def note(content):
        given.extend(content)
        return "liverlib's note"

    write_mask(path, label, note)
    assert format_of(path) == kind
    assert read_note(path) == "liverlib's note"
    content = read_content(path)
    assert content is None if kind in ("stl", "glb") else list(content) == given
    slices = [label.voxels[:, :, z].tobytes() for z in range(label.voxels.shape[2])]
    assert given[-len(slices) :] == slices
    assert {*companions(path)} == {*tmp_path.iterdir()} - {path}


@pytest.mark.parametrize("name", ["mask", "mask.nrrd", "mask.gz", "mask.obj", "nii.gz"])
def test_other_endings_are_refused(tmp_path, name):
    assert format_of(name) is None
    with pytest.raises(LiverlibError, match=r"written as one of \.nii\.gz, .*\.glb"):
        write_mask(tmp_path / name, simple_case()[1])


def test_dicom_needs_the_slices(tmp_path):
    with pytest.raises(LiverlibError, match="needs the folder of the scan's slices"):
        write_mask(tmp_path / "a.dcm", simple_case()[1])


def test_only_masks_carry_a_table_of_labels(tmp_path):
    _, label = simple_case()
    write_volume(tmp_path / "plain.nii", label)
    write_mask(tmp_path / "mask.nii", label)
    plain, mask = ((tmp_path / name).read_bytes() for name in ("plain.nii", "mask.nii"))
    assert b"Tumour" in mask and b"Tumour" not in plain
    assert mask[-label.voxels.size :] == plain[-label.voxels.size :]
