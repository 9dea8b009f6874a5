import json
from dataclasses import asdict

import numpy as np
import pytest
from phantoms import ellipsoid
from scipy import ndimage

from liverlib.cli.main import main
from liverlib.core.arrays import Box
from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_table import (
    MeasuredLesion,
    find_lesions,
    longest_diameter,
    measure_lesions,
)
from liverlib.evaluation.surface_distance import surface
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume

SHAPE, SPACING = (70, 60, 40), (1.0, 1.25, 2.0)
CENTRE = (30, 38, 40)  # of liver and of the larger tumour, in mm from the first voxel
AFFINE = np.array([[1.0, 0, 0, -35], [0, 1.25, 0, 12], [0, 0, 2.0, -900], [0, 0, 0, 1]])


@pytest.fixture
def pair():
    """A ball of liver, 25 mm in radius, a ball of tumour in it, and a speck of three voxels."""
    liver = ellipsoid(SHAPE, SPACING, CENTRE, (25, 25, 25))
    tumour = ellipsoid(SHAPE, SPACING, CENTRE, (10, 10, 10))
    tumour[46:49, 30, 20] = True
    hu = np.where(tumour, 60, 100).astype(np.int16)
    hu[46, 30, 20] = 30
    label = liver.astype(np.uint8) + tumour
    grid = Grid.of(SHAPE, AFFINE, "LPS")
    return Volume(hu, grid, "scan"), Volume(label, grid, "scan")


class FixedPrediction:
    """Stands for a prediction: a mask, a map of probability, and volumes."""

    def __init__(self, mask: Volume, tumour: np.ndarray, tumour_ml_each: tuple[float, ...] = ()):
        self.mask, self.tumour, self.tumour_ml_each = mask, tumour, tumour_ml_each

    def probability(self, least: int, box: Box | None = None) -> np.ndarray:
        assert least == 2
        return self.tumour if box is None else self.tumour[box]

    def chance(self, lesion: MeasuredLesion) -> float:
        return lesion.probability / 2


def test_a_ball_measures_what_a_ball_measures(pair):
    table = measure_lesions(*pair)
    ball = table.lesions[0]
    assert table.liver_ml == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.02)
    assert ball.ml == pytest.approx(4 / 3 * np.pi, rel=0.03)
    assert ball.longest_mm == pytest.approx(20, abs=1)
    assert ball.longest_axial_mm == pytest.approx(20, abs=1)
    assert ball.mean_hu == 60
    assert ball.centroid == pytest.approx(np.array(CENTRE) + AFFINE[:3, 3], abs=0.15)
    assert 13 < ball.to_surface_mm <= 15  # to voxels inside the surface
    assert np.isnan(ball.probability)
    assert table.burden == pytest.approx((10 / 25) ** 3, rel=0.03)
    assert (table.name, table.tumour_ml_each) == ("scan", ())


def test_a_speck_measures_exactly(pair):
    _, speck = measure_lesions(*pair).lesions
    assert (speck.number, speck.voxels, speck.ml) == (2, 3, pytest.approx(3 * 2.5 / 1000))
    assert (speck.longest_axial_mm, speck.longest_mm) == pytest.approx((2, 2))
    assert speck.mean_hu == pytest.approx((30 + 60 + 60) / 3)
    assert speck.centroid == pytest.approx((47 - 35, 30 * 1.25 + 12, 20 * 2 - 900))


def test_an_axial_diameter_stays_within_one_slice(pair):
    scan, mask = pair
    long = mask.voxels.copy()
    long[long == 2] = 1
    long[30:34, 30, 10:30] = 2
    (lesion,) = measure_lesions(scan, Volume(long, mask.grid)).lesions
    assert lesion.longest_axial_mm == pytest.approx(3)
    assert lesion.longest_mm == pytest.approx(np.hypot(3, 19 * 2))


def test_the_longest_diameter_is_that_of_all_pairs_of_points():
    points = np.random.default_rng(0).normal(size=(600, 3))  # enough for the corners of the hull
    expected = np.linalg.norm(points[:, None] - points, axis=-1).max()
    assert longest_diameter(points) == pytest.approx(expected)
    assert longest_diameter(points[:, :] * [1, 1, 0]) > 0  # a flat one
    assert longest_diameter(points[:1]) == 0


def test_the_files_orientation_changes_nothing(pair, tmp_path):
    scan, mask = pair
    tables = []
    for orientation in ("RAS", "LAS", "LPS", "SAR"):
        grid = Grid.of(SHAPE, AFFINE, orientation)
        write_volume(tmp_path / "scan.nii.gz", scan.voxels, grid)
        write_volume(tmp_path / "mask.nii.gz", mask.voxels, grid)
        stored = read_scan(tmp_path / "scan.nii.gz")
        label = read_label(tmp_path / "mask.nii.gz", stored)
        tables.append(json.dumps(asdict(measure_lesions(stored, label))))
    assert len(set(tables)) == 1


def test_where_the_scan_cuts_the_liver_there_is_no_surface():
    mask = np.ones((20, 20, 20), np.uint8)
    mask[15:] = 0
    mask[1, 10, 10] = 2  # beside the cut, 13 mm from the only surface
    grid = Grid.of(mask.shape, np.array(AFFINE) * [[1], [0.8], [0.5], [1]], "RAS")
    volume = Volume(mask, grid)
    (lesion,) = measure_lesions(volume, volume).lesions
    assert lesion.to_surface_mm == pytest.approx(13)
    whole = Volume(np.where(mask == 0, np.uint8(1), mask), grid)
    assert np.isnan(measure_lesions(whole, whole).lesions[0].to_surface_mm)


def test_a_predictions_probabilities_are_averaged_over_each_lesion(pair):
    scan, mask = pair
    probability = np.full(SHAPE, 0.9, np.float16)
    probability[46, 30, 20] = 0.6
    for given in (probability, (255 * probability).round().astype(np.uint8)):
        table = measure_lesions(scan, FixedPrediction(mask, given, (3.9, 4.6)))
        ball, speck = table.lesions
        assert ball.probability == pytest.approx(0.9, abs=3e-3)
        assert speck.probability == pytest.approx(0.8, abs=3e-3)
        assert ball.chance == ball.probability / 2
        assert table.tumour_ml_each == (3.9, 4.6)
        assert table.tumour_ml == measure_lesions(*pair).tumour_ml


def test_unknown_spacing_leaves_ml_and_mm_unknown(pair):
    false = Grid.of(SHAPE, np.eye(4))
    scan, mask = (Volume(volume.voxels, false, "scan") for volume in pair)
    table = measure_lesions(scan, mask)
    assert not table.spacing_known
    assert np.isnan([table.liver_ml, table.tumour_ml]).all()
    lesion = table.lesions[0]
    unknown = (lesion.ml, lesion.longest_mm, lesion.longest_axial_mm, lesion.to_surface_mm)
    assert np.isnan([*unknown, *lesion.centroid]).all()
    assert (lesion.mean_hu, table.burden > 0) == (60, True)


def test_lesions_agree_with_the_browsers_list(pair):
    scan, mask = pair
    quick, measured = find_lesions(mask.voxels, mask.grid), measure_lesions(scan, mask).lesions
    assert [lesion.voxels for lesion in quick] == [lesion.voxels for lesion in measured]
    longest = [lesion.longest_mm for lesion in measured]
    assert [lesion.longest_mm for lesion in quick] == pytest.approx(longest)


def test_the_quick_list_tells_what_the_other_mask_covers_and_can_be_cut_short(pair):
    _, mask = pair
    other = mask.voxels.copy()
    other[46:, :, :] = 1  # without the speck
    ball, speck = find_lesions(mask.voxels, mask.grid, other)
    assert (ball.covered, speck.covered) == (1, 0)
    assert mask.voxels[ball.at] == 2
    (largest,) = find_lesions(mask.voxels, mask.grid, most=1)
    assert largest.voxels == ball.voxels and np.isnan(largest.covered)
    assert find_lesions(np.minimum(mask.voxels, 1), mask.grid) == []


def test_a_mask_on_another_grid_is_refused(pair):
    scan, mask = pair
    with pytest.raises(LiverlibError, match=r"its shape is .* that of its scan is"):
        measure_lesions(Volume(scan.voxels[1:], scan.grid), mask)


def test_a_liver_full_of_tumours_keeps_its_counts(shared):
    folder = shared / "liver_crop_128"
    scan = read_scan(folder / "image.nii.gz")
    mask = read_label(folder / "label.nii.gz", scan)
    table = measure_lesions(scan, mask)
    assert sum(lesion.voxels for lesion in table.lesions) == 130_083
    assert table.burden == pytest.approx(130_083 / (485_268 + 130_083))
    assert all(x.longest_axial_mm <= x.longest_mm + 1e-9 for x in table.lesions)
    assert 40 < table.lesions[0].mean_hu < 90


def test_the_command_writes_nothing_for_a_mask_that_cannot_be_read(pair, tmp_path, capsys):
    for name, volume in zip(("ct", "mask"), pair, strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", volume.voxels, volume.grid)
    files = [str(tmp_path / f"{name}.nii.gz") for name in ("ct", "mask")]
    assert main(["lesions", *files, "-o", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ct.html", "ct.csv", "ct.json"}
    assert capsys.readouterr().out.startswith(NOT_MEDICAL)
    (tmp_path / "mask.nii.gz").write_bytes(b"nothing")
    assert main(["lesions", *files, "-o", str(tmp_path / "bad")]) == 2
    assert not (tmp_path / "bad").exists()


def test_lesions_touch_by_faces_only():
    classes = np.zeros((4, 4, 4), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 0] = classes[1, 1, 1] = 2
    lesions = find_lesions(classes, Grid.of((4, 4, 4), np.diag([2.0, 2, 2, 1])))
    assert [lesion.voxels for lesion in lesions] == [2, 1]
    assert lesions[0].ml == pytest.approx(2 * 8 / 1000)
    assert lesions[0].longest_mm == pytest.approx(2)


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 1, 1), 0), ((40, 30, 1), np.hypot(39, 29)), ((12, 12, 12), 19.05)]
)
def test_the_longest_diameter_of_a_block_is_its_diagonal(shape, expected):
    assert longest_diameter(np.argwhere(np.ones(shape))) == pytest.approx(expected, abs=0.01)


def test_a_mask_of_noise_is_refused_with_its_count(pair):
    scan, mask = pair
    noise = np.ones(SHAPE, np.uint8)
    noise[::2, ::2, ::2] = 2
    count = 35 * 30 * 20
    with pytest.raises(LiverlibError, match=f"scan: the mask holds {count:,} separate tumours"):
        measure_lesions(scan, Volume(noise, mask.grid, "scan"))
    with pytest.raises(LiverlibError, match="not a segmentation"):
        find_lesions(noise, mask.grid)
    assert [lesion.voxels for lesion in find_lesions(noise, mask.grid, most=3)] == [1, 1, 1]


def test_the_distance_to_the_surface_is_that_to_all_outermost_voxels(pair):
    scan, mask = pair
    padded = np.pad(mask.voxels > 0, 1, mode="edge")
    rim = np.argwhere(surface(padded, connectivity=1)[1:-1, 1:-1, 1:-1]) * SPACING
    for lesion in measure_lesions(scan, mask).lesions:
        part = np.argwhere(ndimage.label(mask.voxels == 2)[0] == lesion.number) * SPACING
        expected = np.linalg.norm(part[:, None] - rim[None], axis=2).min()
        assert lesion.to_surface_mm == pytest.approx(expected)
