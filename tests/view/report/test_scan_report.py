import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from phantoms import simple_case

from liverlib.core.text import NOT_MEDICAL
from liverlib.evaluation.lesion_table import LesionTable, measure_lesions
from liverlib.io.volume import Grid, Volume
from liverlib.view.report.scan_report import scan_page, write_scan_report


@pytest.fixture
def measured() -> tuple[Volume, Volume, LesionTable]:
    """A scan, a mask with one large and one small tumour, and the table of them."""
    scan, mask = simple_case()
    z = int(mask.voxels.any(axis=(0, 1)).argmax()) + 1
    x, y = np.argwhere(mask.voxels[:, :, z] == 1)[0]
    mask.voxels[x, y, z] = 2
    return scan, mask, measure_lesions(scan, mask)


def test_page_csv_and_json_begin_alike_and_tell_the_same(measured, tmp_path):
    scan, mask, table = measured
    table = replace(table, tumour_ml_each=(3.9, 4.6))
    paths = write_scan_report(tmp_path, scan, mask, table)
    assert [path.name for path in paths] == ["case.html", "case.csv", "case.json"]
    html, rows, values = (path.read_text() for path in paths)
    assert html.split("<body>\n", 1)[1].startswith(f'<p class="warn">{NOT_MEDICAL}</p>')
    assert "3.9 to 4.6 in 2 predictions" in html
    assert "<iframe" in html and "mean probability" not in html
    first, totals, *rest = rows.splitlines()
    assert first == f"# {NOT_MEDICAL}"
    assert totals.startswith("# liver") and "3.9 to 4.6 in 2 predictions" in totals
    written = json.loads(values)
    assert next(iter(written)) == "note"
    assert (written["tumour_ml_each"], len(written["lesions"])) == ([3.9, 4.6], 2)
    for row, lesion in zip(csv.DictReader(rest), written["lesions"], strict=True):
        assert float(row["ml"]) == lesion["ml"]
        centroid = [float(row[key]) for key in ("right_mm", "front_mm", "head_mm")]
        assert centroid == lesion["centroid"]
        assert row["probability"] == ""


def test_known_probabilities_have_their_column(measured):
    scan, mask, table = measured
    lesions = [replace(lesion, probability=0.876) for lesion in table.lesions]
    page = scan_page(scan, mask, replace(table, lesions=lesions))
    assert "mean probability" in page and "<td>0.88</td>" in page


def test_names_are_escaped_and_a_mask_without_tumour_is_named_so(measured):
    scan, mask, _ = measured
    free = Volume(np.minimum(mask.voxels, 1), mask.grid, "a <b>")
    scan = replace(scan, name="a <b>")
    page = scan_page(scan, free, measure_lesions(scan, free))
    assert "The mask holds no tumour." in page
    assert "<h1>a &lt;b&gt;</h1>" in page


def test_unknown_spacing_leaves_ml_and_mm_unknown(measured, tmp_path):
    identity = Grid.of(measured[0].voxels.shape, np.eye(4))
    scan, mask = (Volume(volume.voxels, identity, "scan") for volume in measured[:2])
    table = measure_lesions(scan, mask)
    page = scan_page(scan, mask, table)
    assert "The spacing is unknown, and so are ml and mm." in page
    assert "<td>unknown ml</td>" in page
    assert ">nan" not in page
    _, rows, values = write_scan_report(tmp_path, scan, mask, table)
    assert json.loads(values.read_text())["liver_ml"] is None
    assert "nan" not in rows.read_text()
