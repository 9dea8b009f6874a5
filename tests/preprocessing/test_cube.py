import dataclasses
import errno
import json

import numpy as np
import pytest
from phantoms import ellipsoid, simple_case
from safetensors import safe_open
from scipy import ndimage

from liverlib.core.errors import LiverlibError
from liverlib.evaluation.overlap import dice
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.preprocessing.cube import ROI_WINDOW, Cube, CubeSettings, to_classes, to_cube

WHOLE = CubeSettings(crop="all")
BODY, LIVER = CubeSettings(), CubeSettings(crop="liver", window=ROI_WINDOW)


def back_again(label: Volume, settings: CubeSettings) -> np.ndarray:
    """A perfect label, brought into a cube and back to the grid."""
    cube = to_cube(label, label, settings)
    return cube.to_grid(cube.soft_labels / np.float32(255))


@pytest.fixture(scope="module")
def liver() -> Volume:
    """A liver-sized ellipsoid on a grid like those of LiTS, 512×512×129."""
    shape, spacing = (512, 512, 129), (0.75, 0.75, 1.6)
    mask = ellipsoid(shape, spacing, (150, 180, 103), (80, 60, 75))
    return Volume(mask.astype(np.uint8), Grid.of(shape, np.diag([*spacing, 1]), "LPS"))


# --- labels --------------------------------------------------------------------------------------


def test_a_perfect_label_survives_the_way_down_and_back(liver):
    back = back_again(liver, WHOLE)
    shift = np.subtract(ndimage.center_of_mass(back), ndimage.center_of_mass(liver.voxels))
    assert dice(liver.voxels, back) >= 0.985
    assert np.abs(shift).max() < 0.1


def test_nearest_does_not_survive_it(liver):
    back = back_again(liver, dataclasses.replace(WHOLE, method="nearest"))
    shift = np.subtract(ndimage.center_of_mass(back), ndimage.center_of_mass(liver.voxels))
    assert dice(liver.voxels, back) == pytest.approx(0.9737, abs=5e-4)  # measured with torch's
    np.testing.assert_allclose(shift, (1.5, 1.5, 0.99), atol=0.02)


def test_soft_labels_keep_the_volume(liver):
    cube = to_cube(liver, liver, WHOLE)
    whole = cube.soft_labels[0].sum() / 255 * np.prod(liver.voxels.shape) / 128**3
    assert whole == pytest.approx(np.count_nonzero(liver.voxels), rel=1e-3)


def test_the_real_scans_labels_survive(shared):
    for name in ("ct_3mm", "liver_crop_128"):
        scan = read_scan(shared / name / "image.nii.gz")
        label = read_label(shared / name / "label.nii.gz", scan)
        cube = to_cube(scan, label)
        back = cube.to_grid(cube.soft_labels / np.float32(255))
        assert dice(label.voxels > 0, back > 0) > 0.98
        if (label.voxels == 2).any():
            assert dice(label.voxels == 2, back == 2) > 0.98


def test_classes_are_liver_from_one_half_and_tumour_where_both_are():
    liver, tumour = [0.4, 0.5, 0.9, 0.4], [0.0, 0.4, 0.5, 0.9]
    np.testing.assert_array_equal(to_classes(np.array([liver, tumour])), [0, 1, 2, 0])


# --- the part covered and its window -------------------------------------------------------------


def test_the_cube_keeps_mean_hounsfield_units():
    scan, _ = simple_case()
    low, high = WHOLE.window
    cube = to_cube(scan, settings=dataclasses.replace(WHOLE, size=20))
    mean = cube.image.mean() / 255 * (high - low) + low
    assert mean == pytest.approx(np.clip(scan.voxels, low, high).mean(), abs=1)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "SLP"])
def test_a_cube_does_not_depend_on_how_the_file_is_stored(tmp_path, orientation):
    scan, label = simple_case()
    for name, volume in (("scan.nii.gz", scan), ("label.nii.gz", label)):
        grid = Grid.of(scan.grid.shape, scan.grid.affine, orientation)
        write_volume(tmp_path / name, volume.voxels, grid)
    stored = read_scan(tmp_path / "scan.nii.gz")
    settings = CubeSettings(size=32)
    expected = to_cube(scan, label, settings)
    cube = to_cube(stored, read_label(tmp_path / "label.nii.gz", stored), settings)
    np.testing.assert_array_equal(cube.image, expected.image)
    np.testing.assert_array_equal(cube.soft_labels, expected.soft_labels)


def test_outside_the_box_there_is_nothing():
    scan, label = simple_case()
    box = slice(10, 30), slice(5, 35), slice(10, 30)
    cube = to_cube(scan, label, CubeSettings(size=16), box)
    mask = cube.to_grid(np.ones((2, 16, 16, 16), np.float32))
    assert mask[box].all()
    assert np.count_nonzero(mask) == 20 * 30 * 20


def test_the_roi_stage_counts_grey_values_from_the_livers_median():
    scan, label = simple_case()
    cube = to_cube(scan, label, LIVER)
    darker = Volume(scan.voxels - np.int16(40), scan.grid)
    np.testing.assert_array_equal(cube.image, to_cube(darker, label, LIVER).image)
    liver = cube.image[cube.soft_labels[0] > 250]
    assert np.median(liver) == pytest.approx(127.5, abs=4)


def test_a_label_without_liver_has_a_cube_all_the_same():
    scan, label = simple_case()
    empty = Volume(np.zeros_like(label.voxels), label.grid)
    cube = to_cube(scan, empty, LIVER)
    assert cube.box == to_cube(scan, empty, BODY).box
    assert not cube.soft_labels.any()


def test_a_cube_of_the_liver_without_label_or_box_is_refused():
    with pytest.raises(LiverlibError, match="label, or a box"):
        to_cube(simple_case()[0], None, LIVER)


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [True, False])
def test_a_cube_comes_back_from_its_file(tmp_path, labelled):
    scan, label = simple_case()
    cube = to_cube(scan, label if labelled else None, CubeSettings(size=24))
    cube.save(tmp_path / "c.safetensors")
    loaded = Cube.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(loaded.image, cube.image)
    assert isinstance(loaded.image, np.memmap)
    assert (loaded.box, loaded.shape, loaded.method) == (cube.box, cube.shape, cube.method)
    if labelled:
        np.testing.assert_array_equal(loaded.soft_labels, cube.soft_labels)
    else:
        assert loaded.soft_labels is None


def test_safetensors_own_reader_reads_a_cube_too(tmp_path):
    scan, label = simple_case()
    cube = to_cube(scan, label, CubeSettings(size=24))
    cube.save(tmp_path / "c.safetensors")
    with safe_open(tmp_path / "c.safetensors", "np") as file:
        assert set(file.keys()) == {"image", "soft_labels"}
        np.testing.assert_array_equal(file.get_tensor("soft_labels"), cube.soft_labels)
        geometry = json.loads(file.metadata()["geometry"])
    assert geometry["box"] == [[side.start, side.stop] for side in cube.box]
    assert geometry["shape"] == [40, 40, 40]


def test_equal_cubes_make_equal_files(tmp_path):
    for name in ("a", "b"):
        to_cube(*simple_case(), CubeSettings(size=24)).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_cube_that_memory_is_too_short_for_is_not_called_corrupt(tmp_path, monkeypatch):
    to_cube(*simple_case(), CubeSettings(size=24)).save(tmp_path / "c.safetensors")
    content = (tmp_path / "c.safetensors").read_bytes()

    def full(*_):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("liverlib.preprocessing.cube.np.memmap", full)
    with pytest.raises(LiverlibError, match=f"not enough memory .* of {len(content):,} bytes"):
        Cube.load(tmp_path / "c.safetensors")


@pytest.mark.parametrize("content", [b"", b"nothing at all, but long enough for a header"])
def test_what_is_no_cube_is_named(tmp_path, content):
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(LiverlibError, match=r"c\.safetensors: not a cube"):
        Cube.load(tmp_path / "c.safetensors")
