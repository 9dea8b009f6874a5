import csv
import json
from dataclasses import asdict

import numpy as np
import pytest

from conftest import ellipsoid
from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_table import find_lesions, measure_lesions
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.scan import read_scan
from liverlib.io.volume import Grid, Volume
from liverlib.view.report.scan_report import scan_page, write_scan_report

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


def test_a_ball_measures_what_a_ball_measures(pair):
    found = measure_lesions(*pair)
    ball = found.lesions[0]
    assert found.liver_ml == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.02)
    assert ball.ml == pytest.approx(4 / 3 * np.pi, rel=0.03)
    assert ball.longest_mm == pytest.approx(20, abs=1)
    assert ball.longest_axial_mm == pytest.approx(20, abs=1)
    assert ball.mean_hu == 60
    assert ball.centroid == pytest.approx(np.array(CENTRE) + AFFINE[:3, 3], abs=0.15)
    assert 13 < ball.to_surface_mm <= 15  # to voxels inside the surface
    assert np.isnan(ball.probability)
    assert found.burden == pytest.approx((10 / 25) ** 3, rel=0.03)


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


def test_the_files_orientation_changes_nothing(pair, tmp_path):
    scan, mask = pair
    tables = []
    for orientation in ("RAS", "LAS", "LPS", "SAR"):
        grid = Grid.of(SHAPE, AFFINE, orientation)
        write_volume(tmp_path / "scan.nii.gz", scan.voxels, grid)
        write_volume(tmp_path / "mask.nii.gz", mask.voxels, grid)
        read = read_scan(tmp_path / "scan.nii.gz")
        tables.append(asdict(measure_lesions(read, read_label(tmp_path / "mask.nii.gz", read))))
    assert json.dumps(tables[0]) == json.dumps(tables[1])
    assert json.dumps(tables[0]) == json.dumps(tables[2]) == json.dumps(tables[3])


def test_where_the_scan_cuts_the_liver_there_is_no_surface():
    mask = np.ones((20, 20, 20), np.uint8)
    mask[15:] = 0
    mask[1, 10, 10] = 2  # beside the cut, 13 mm from the only surface there is
    grid = Grid.of(mask.shape, np.array(AFFINE) * [[1], [0.8], [0.5], [1]], "RAS")
    volume = Volume(mask, grid)
    (lesion,) = measure_lesions(volume, volume).lesions
    assert lesion.to_surface_mm == pytest.approx(13)
    whole = Volume(np.where(mask == 0, np.uint8(1), mask), grid)
    assert np.isnan(measure_lesions(whole, whole).lesions[0].to_surface_mm)


def test_probabilities_are_averaged_over_each_lesion(pair):
    probability = np.full(SHAPE, 0.9, np.float16)
    probability[46, 30, 20] = 0.6
    for given in (probability, (255 * probability).round().astype(np.uint8)):
        ball, speck = measure_lesions(*pair, given).lesions
        assert ball.probability == pytest.approx(0.9, abs=3e-3)
        assert speck.probability == pytest.approx(0.8, abs=3e-3)


def test_unknown_spacing_leaves_ml_and_mm_unknown(pair, tmp_path):
    false = Grid.of(SHAPE, np.eye(4))
    scan, mask = (Volume(one.voxels, false, "scan") for one in pair)
    found = measure_lesions(scan, mask)
    assert np.isnan([found.liver_ml, found.tumour_ml]).all()
    lesion = found.lesions[0]
    unknown = (lesion.ml, lesion.longest_mm, lesion.longest_axial_mm, lesion.to_surface_mm)
    assert np.isnan([*unknown, *lesion.centroid]).all()
    assert (lesion.mean_hu, found.burden > 0) == (60, True)
    page = scan_page(scan, mask, found)
    assert "The spacing is unknown, and so are ml and mm." in page
    assert ">nan" not in page
    written = write_scan_report(tmp_path, scan, mask, found)
    assert json.loads(written[2].read_text())["liver_ml"] is None


def test_lesions_agree_with_the_browsers_list(pair):
    scan, mask = pair
    quick, measured = find_lesions(mask.voxels, mask.grid), measure_lesions(scan, mask).lesions
    assert [one.voxels for one in quick] == [one.voxels for one in measured]
    longest = [one.longest_mm for one in measured]
    assert [one.longest_mm for one in quick] == pytest.approx(longest)


def test_page_csv_and_json_begin_alike_and_tell_the_same(pair, tmp_path):
    scan, mask = pair
    found = measure_lesions(scan, mask, tumour_ml_others=(3.9, 4.6))
    page, table, content = write_scan_report(tmp_path, scan, mask, found)
    text = page.read_text()
    assert text.split("<body>\n", 1)[1].startswith(f'<p class="warn">{NOT_MEDICAL}</p>')
    assert "3.9 to 4.6 in 2 predictions" in text
    assert "<iframe" in text and "mean probability" not in text
    first, totals, *rest = table.read_text().splitlines()
    assert first == f"# {NOT_MEDICAL}"
    assert totals.startswith("# liver") and "3.9 to 4.6 in 2 predictions" in totals
    rows = list(csv.DictReader(rest))
    told = json.loads(content.read_text())
    assert next(iter(told)) == "note"
    for row, lesion in zip(rows, told["lesions"], strict=True):
        assert float(row["ml"]) == lesion["ml"]
        assert [float(row[key]) for key in ("right_mm", "front_mm", "head_mm")] == lesion[
            "centroid"
        ]
        assert row["probability"] == ""


def test_names_are_escaped_and_no_tumour_is_said(pair):
    scan, mask = pair
    free = Volume(np.minimum(mask.voxels, 1), mask.grid, "a <b>")
    page = scan_page(scan, free, measure_lesions(Volume(scan.voxels, scan.grid, "a <b>"), free))
    assert "No tumour was drawn." in page
    assert "<h1>a &lt;b&gt;</h1>" in page


def test_the_command_writes_all_three(pair, tmp_path, capsys):
    scan, mask = pair
    for name, one in (("ct", scan), ("mask", mask)):
        write_volume(tmp_path / f"{name}.nii.gz", one.voxels, one.grid)
    files = [str(tmp_path / f"{name}.nii.gz") for name in ("ct", "mask")]
    assert main(["lesions", *files, "-o", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ct.html", "ct.csv", "ct.json"}
    assert capsys.readouterr().out.startswith(NOT_MEDICAL)
    (tmp_path / "mask.nii.gz").write_bytes(b"nothing")
    assert main(["lesions", *files, "-o", str(tmp_path / "bad")]) == 2
    assert not (tmp_path / "bad").exists()


def test_shapes_that_differ_are_refused(pair):
    scan, mask = pair
    with pytest.raises(LiverlibError, match="own grid"):
        measure_lesions(Volume(scan.voxels[1:], scan.grid), mask)


def test_a_liver_full_of_tumours_keeps_its_counts(shared):
    folder = shared / "liver_crop_128"
    scan = read_scan(folder / "image.nii.gz")
    mask = read_label(folder / "label.nii.gz", scan)
    found = measure_lesions(scan, mask)
    assert sum(one.voxels for one in found.lesions) == 130_083
    assert found.burden == pytest.approx(130_083 / (485_268 + 130_083))
    assert all(one.longest_axial_mm <= one.longest_mm + 1e-9 for one in found.lesions)
    assert 40 < found.lesions[0].mean_hu < 90
