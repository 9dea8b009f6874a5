"""Masks for 3D Slicer, read back by pynrrd and by Slicer's own Python package."""

import sys

import numpy as np
import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.io.formats.seg_nrrd import read_seg_nrrd, write_seg_nrrd
from liverlib.io.segments import SEGMENTS
from liverlib.io.volume import Grid, Volume

nrrd = pytest.importorskip("nrrd", reason="the extra formats is not installed")
RAS_TO_LPS = np.diag([-1, -1, 1, 1])
OBLIQUE = np.array([[0.8, 0.1, 0, -30], [-0.1, 0.8, 0.2, 20], [0, -0.3, 2.5, -100], [0, 0, 0, 1]])


def random_mask(orientation: str) -> Volume:
    voxels = np.random.default_rng(3).integers(0, 3, (7, 5, 4)).astype(np.uint8)
    return Volume(voxels, Grid.of(voxels.shape, OBLIQUE, orientation), "case")


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL"])
def test_pynrrd_reads_every_voxel_at_its_position(tmp_path, orientation):
    mask = random_mask(orientation)
    write_seg_nrrd(tmp_path / "m.seg.nrrd", mask)
    voxels, header = nrrd.read(str(tmp_path / "m.seg.nrrd"))
    assert header["space"] == "left-posterior-superior"
    at = np.argwhere(voxels >= 0)
    lps = at @ header["space directions"] + header["space origin"]
    to_voxel = np.linalg.inv(RAS_TO_LPS @ mask.grid.affine)
    indices = lps @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    np.testing.assert_allclose(indices, indices.round(), atol=1e-6)
    np.testing.assert_array_equal(
        voxels[tuple(at.T)], mask.voxels[tuple(indices.round().astype(int).T)]
    )
    np.testing.assert_array_equal(read_seg_nrrd(tmp_path / "m.seg.nrrd").classes, mask.voxels)


def test_units_other_than_mm_are_brought_to_mm(tmp_path):
    mask = random_mask("LPS")
    header = mask.grid.header.copy()
    header.set_sform(np.diag([0.001, 0.001, 0.001, 1]) @ header.get_sform(), code=1)
    header.set_xyzt_units("meter")
    metres = Volume(mask.voxels, Grid.from_header(header))
    for name, volume in (("mm", mask), ("m", metres)):
        write_seg_nrrd(tmp_path / f"{name}.seg.nrrd", volume)
    fields = [nrrd.read_header(str(tmp_path / f"{name}.seg.nrrd")) for name in ("mm", "m")]
    for key in ("space directions", "space origin"):
        np.testing.assert_allclose(fields[0][key], fields[1][key], rtol=1e-5)


def test_slicers_package_reads_names_colours_and_codes(tmp_path):
    slicerio = pytest.importorskip("slicerio", reason="slicerio is not installed")
    _, label = simple_case()
    write_seg_nrrd(tmp_path / "m.seg.nrrd", label, "a note")
    read = slicerio.read_segmentation(tmp_path / "m.seg.nrrd")
    np.testing.assert_array_equal(read["voxels"], label.grid.to_stored(label.voxels))
    expected = RAS_TO_LPS @ label.grid.header.get_best_affine()
    np.testing.assert_allclose(read["ijkToLPS"], expected)
    for found, segment in zip(read["segments"], SEGMENTS, strict=True):
        assert (found["name"], found["labelValue"]) == (segment.name, segment.value)
        np.testing.assert_allclose(255 * np.array(found["color"]), segment.colour, atol=0.01)
        codes = found["terminology"]
        assert codes["category"] == ["SCT", *segment.category]
        assert codes["type"] == ["SCT", *segment.kind]
        assert codes.get("anatomicRegion") == (["SCT", *segment.region] if segment.region else None)


def test_equal_masks_give_equal_bytes_and_a_note_comes_back(tmp_path):
    for name in ("a", "b"):
        write_seg_nrrd(tmp_path / f"{name}.seg.nrrd", random_mask("LAS"), "who made it; and how")
    first, second = (tmp_path / f"{name}.seg.nrrd" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert read_seg_nrrd(first).note == "who made it; and how"


def test_without_pynrrd_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nrrd", None)
    with pytest.raises(LiverlibError, match=r"pip install pynrrd.*\.nii\.gz"):
        write_seg_nrrd(tmp_path / "m.seg.nrrd", random_mask("RAS"))
    assert not list(tmp_path.iterdir())
