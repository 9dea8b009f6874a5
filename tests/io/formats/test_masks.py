"""One function writes every format, and what it wrote can be told from others' files."""

import numpy as np
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
from liverlib.io.volume import Grid, Volume

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


@pytest.mark.parametrize("kind", ["nii", "seg.nrrd"])
def test_a_mask_on_a_turned_grid_is_read_as_it_was_given(tmp_path, kind):
    """Axes that are flipped round their places in 32 bits: one in thirty came back changed."""
    if kind == "seg.nrrd":
        pytest.importorskip("nrrd", reason="the extra formats is not installed")
    random, path, given = np.random.default_rng(0), tmp_path / f"m.{kind}", []
    for n in range(120):
        turn = random.uniform(-0.3, 0.3)
        affine = np.eye(4)
        affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        affine[:3, :3] *= random.uniform(0.5, 5, 3)
        affine[:3, 3] = random.uniform(-300, 300, 3)
        grid = Grid.of((3, 4, 5), affine, ("RAS", "LPS", "PIR", "SAL")[n % 4])
        mask = Volume(random.integers(0, 3, (3, 4, 5)).astype(np.uint8), grid)
        given.clear()
        write_mask(path, mask, lambda content: given.extend(content) or "a note")
        assert list(read_content(path)) == given


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
