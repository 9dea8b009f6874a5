"""The table of lesions as a page, CSV and JSON, and the command that writes them."""

import csv
import json

import numpy as np
import pytest
from phantoms import ellipsoid

from liverlib.cli.main import main
from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_table import LesionTable, measure_lesions
from liverlib.io.nifti import write_volume
from liverlib.io.volume import Grid, Volume
from liverlib.view.report.scan_report import scan_page, write_scan_report

SHAPE, SPACING = (40, 36, 24), (1.0, 1.25, 2.0)


@pytest.fixture
def pair():
    """A ball of liver, and in it a ball of tumour and a speck."""
    liver, tumour = (ellipsoid(SHAPE, SPACING, (20, 22, 24), (r, r, r)) for r in (16, 6))
    tumour[30:32, 18, 12] = True
    grid = Grid.of(SHAPE, np.diag([*SPACING, 1]), "LPS")
    hu = np.where(tumour, 60, 100).astype(np.int16)
    return Volume(hu, grid, "scan"), Volume(liver.astype(np.uint8) + tumour, grid, "scan")


def with_spread(table: LesionTable, *volumes: float) -> LesionTable:
    return LesionTable(**vars(table) | {"tumour_ml_each": volumes})


def test_page_csv_and_json_begin_alike_and_tell_the_same(pair, tmp_path):
    scan, mask = pair
    table = with_spread(measure_lesions(scan, mask), 3.9, 4.6)
    page, rows, content = write_scan_report(tmp_path, scan, mask, table)
    text = page.read_text()
    assert text.split("<body>\n", 1)[1].startswith(f'<p class="warn">{NOT_MEDICAL}</p>')
    assert "3.9 to 4.6 in 2 predictions" in text
    assert "<iframe" in text and "mean probability" not in text
    first, totals, *rest = rows.read_text().splitlines()
    assert first == f"# {NOT_MEDICAL}"
    assert totals.startswith("# liver") and "3.9 to 4.6 in 2 predictions" in totals
    values = json.loads(content.read_text())
    assert next(iter(values)) == "note"
    for row, lesion in zip(csv.DictReader(rest), values["lesions"], strict=True):
        assert float(row["ml"]) == lesion["ml"]
        centroid = [float(row[key]) for key in ("right_mm", "front_mm", "head_mm")]
        assert centroid == lesion["centroid"]
        assert row["probability"] == ""


def test_unknown_millimetres_are_told_and_never_written_as_nan(pair, tmp_path):
    false = Grid.of(SHAPE, np.eye(4))
    scan, mask = (Volume(volume.voxels, false, "scan") for volume in pair)
    table = measure_lesions(scan, mask)
    page = scan_page(scan, mask, table)
    assert "The spacing is unknown, and so are ml and mm." in page
    assert ">nan" not in page
    *_, content = write_scan_report(tmp_path, scan, mask, table)
    assert json.loads(content.read_text())["liver_ml"] is None


def test_names_are_escaped_and_a_mask_without_tumour_is_told(pair):
    scan, mask = pair
    named = Volume(scan.voxels, scan.grid, "a <b>")
    free = Volume(np.minimum(mask.voxels, 1), mask.grid, "a <b>")
    page = scan_page(named, free, measure_lesions(named, free))
    assert "no tumour" in page
    assert "<h1>a &lt;b&gt;</h1>" in page


def test_the_command_writes_all_three(pair, tmp_path, capsys):
    for name, volume in zip(("ct", "mask"), pair, strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", volume.voxels, volume.grid)
    files = [str(tmp_path / f"{name}.nii.gz") for name in ("ct", "mask")]
    assert main(["lesions", *files, "-o", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ct.html", "ct.csv", "ct.json"}
    assert capsys.readouterr().out.startswith(NOT_MEDICAL)
    (tmp_path / "mask.nii.gz").write_bytes(b"nothing")
    assert main(["lesions", *files, "-o", str(tmp_path / "bad")]) == 2
    assert not (tmp_path / "bad").exists()
