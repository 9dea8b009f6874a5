"""Surfaces: closed, of the right volume, where the voxels are; as other programs read them."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from masks import CLASSES
from phantoms import ellipsoid, simple_case
from scipy import ndimage

from liverlib.core.errors import LiverlibError
from liverlib.io.formats.surfaces import (
    Surface,
    find_surfaces,
    surface_note,
    tumour_path,
    write_glb,
    write_stl,
)
from liverlib.io.nifti import read_label
from liverlib.io.segments import SEGMENTS
from liverlib.io.volume import Grid, Volume

trimesh = pytest.importorskip("trimesh", reason="the extra formats is not installed")
pytest.importorskip("skimage", reason="the extra formats is not installed")

OBLIQUE = np.array([[0.8, 0.1, 0, -30], [-0.1, 0.8, 0.2, 20], [0, -0.3, 2.5, -100], [0, 0, 0, 1]])


def volume(voxels, affine=OBLIQUE, orientation="LPS") -> Volume:
    return Volume(voxels.astype(np.uint8), Grid.of(voxels.shape, affine, orientation), "case")


def lesions_in_a_liver() -> Volume:
    """A liver with three lesions: of 24 mm, of 8, and of one voxel."""
    shape, spacing = (90, 80, 40), (0.8, 0.8, 2.5)
    label = ellipsoid(shape, spacing, (36, 32, 50), (30, 26, 40)).astype(np.uint8)
    label[ellipsoid(shape, spacing, (30, 30, 50), (12, 12, 12))] = 2
    label[ellipsoid(shape, spacing, (52, 32, 50), (4, 4, 4))] = 2
    label[40, 65, 20] = 2
    return volume(label)


def mesh_of(surface: Surface):
    return trimesh.Trimesh(surface.vertices, surface.faces)


def check_closed(mesh, voxels: int, mask: Volume) -> None:
    """That a mesh is closed, faces outwards, and encloses so many voxels to a hundredth."""
    assert mesh.is_watertight and mesh.is_winding_consistent
    expected = voxels * mask.grid.voxel_ml * 1000
    assert mesh.volume == pytest.approx(expected, rel=0.01)


def lps(mask: Volume, inside: np.ndarray) -> np.ndarray:
    """The centres of the voxels of a mask, in mm."""
    ras = np.argwhere(inside) @ mask.grid.affine[:3, :3].T + mask.grid.affine[:3, 3]
    return ras * [-1, -1, 1]


def test_surfaces_are_closed_and_enclose_the_volume_of_their_voxels():
    mask = lesions_in_a_liver()
    liver, *lesions = find_surfaces(mask)
    assert [lesion.name for lesion in lesions] == ["Lesion 1", "Lesion 2", "Lesion 3"]
    assert liver.name == "Liver" and {lesion.segment for lesion in lesions} == {SEGMENTS[1]}
    check_closed(mesh_of(liver), (mask.voxels > 0).sum(), mask)
    sizes = sorted(np.bincount(ndimage.label(mask.voxels == 2)[0].ravel())[1:], reverse=True)
    assert sizes[2] == 1
    for lesion, size in zip(lesions, sizes, strict=True):
        check_closed(mesh_of(lesion), size, mask)


def test_surfaces_lie_around_their_voxels():
    mask = lesions_in_a_liver()
    liver, *lesions = find_surfaces(mask)
    for surface, inside in (
        (liver, mask.voxels > 0),
        (lesions[0], ndimage.label(mask.voxels == 2)[0] == 1),
    ):
        mesh, centres = mesh_of(surface), lps(mask, inside)
        np.testing.assert_allclose(mesh.center_mass, centres.mean(0), atol=0.3)
        np.testing.assert_allclose(mesh.bounds, [centres.min(0), centres.max(0)], atol=2.5)


@given(CLASSES.filter(lambda classes: classes.any()))
@settings(max_examples=25, deadline=None)
def test_any_mask_whatever_its_noise_has_closed_surfaces(classes):
    mask = volume(classes)
    liver, *lesions = find_surfaces(mask)
    check_closed(mesh_of(liver), (classes > 0).sum(), mask)
    for lesion in lesions:
        assert mesh_of(lesion).is_watertight


def test_trimesh_reads_the_scene_with_names_colours_and_the_patient_upright(tmp_path):
    mask = lesions_in_a_liver()
    write_glb(tmp_path / "a.glb", mask, "a note")
    scene = trimesh.load_scene(tmp_path / "a.glb")
    assert set(scene.geometry) == {"Liver", "Lesion 1", "Lesion 2", "Lesion 3"}
    check_closed(scene.geometry["Liver"], (mask.voxels > 0).sum(), mask)
    glass, solid = (scene.geometry[name].visual.material for name in ("Liver", "Lesion 1"))
    assert glass.alphaMode == "BLEND" and glass.baseColorFactor[3] < 128
    assert solid.baseColorFactor[3] == 255
    linear = [255 * (part / 255) ** 2.2 for part in SEGMENTS[1].colour]
    np.testing.assert_allclose(solid.baseColorFactor[:3], linear, atol=1)
    own = lps(mask, mask.voxels > 0).mean(0)  # left, back, head in mm
    in_scene = scene.to_mesh().bounds.mean(0)  # metres: right of the screen, up, to the viewer
    np.testing.assert_allclose(in_scene, [own[0] / 1000, own[2] / 1000, -own[1] / 1000], atol=1e-3)
    assert surface_note(tmp_path / "a.glb") == "a note"


def test_stl_has_the_liver_in_one_file_and_all_lesions_in_another(tmp_path):
    mask = lesions_in_a_liver()
    write_stl(path := tmp_path / "a.stl", mask, "a note")
    assert path.read_bytes()[:80].rstrip() == b"a note SPACE=LPS"  # 3D Slicer looks for it
    assert surface_note(path) == "a note"
    check_closed(trimesh.load_mesh(path), (mask.voxels > 0).sum(), mask)
    lesions = trimesh.load_mesh(tumour_path(path))
    check_closed(lesions, (mask.voxels == 2).sum(), mask)
    assert lesions.body_count == 3
    write_stl(path, volume(mask.voxels > 0))
    assert [file.name for file in tmp_path.iterdir()] == ["a.stl"]


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (volume(np.zeros((4, 4, 4))), "holds no liver"),
        (volume(np.ones((4, 4, 4)), np.eye(4), "RAS"), "spacing is unknown"),
        (volume(2 * (np.indices((16, 16, 16)).sum(0) % 2)), "2,048 lesions"),
    ],
)
def test_what_has_no_surface_is_refused(mask, text, tmp_path):
    for write, name in ((write_stl, "a.stl"), (write_glb, "a.glb")):
        with pytest.raises(LiverlibError, match=text):
            write(tmp_path / name, mask)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["trimesh", "skimage"])
def test_without_the_libraries_the_way_out_is_told(module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LiverlibError, match=r"pip install scikit-image trimesh.*\.nii\.gz"):
        write_glb(tmp_path / "a.glb", simple_case()[1])


@pytest.mark.parametrize("name", ["ct_3mm", "ct_dicom", "liver_crop_128"])
def test_real_labels_have_closed_surfaces_of_their_volume(shared, name):
    mask = read_label(shared / name / "label.nii.gz")
    for n, surface in enumerate(find_surfaces(mask)):
        mesh = mesh_of(surface)
        assert mesh.is_watertight, surface.name
        if not n:
            check_closed(mesh, (mask.voxels > 0).sum(), mask)
