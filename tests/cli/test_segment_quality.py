"""What `segment` says of quality: on screen, in files, in the exit code."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.core.verdict import LOOK_CLOSELY, NOT_TO_BE_USED, Reason
from liverlib.io.nifti import write_volume

LOOK = Reason("liver", "Look at every slice.", LOOK_CLOSELY)
REFUSED = Reason("offset", "Subtract 1024.", NOT_TO_BE_USED)


@pytest.fixture
def believed():
    """Here scans are examined, as in use."""


@pytest.fixture
def doubted(monkeypatch):
    """Scans whose names begin with "bad" are not to be used, with "odd" want a close look."""
    found = {"bad": [REFUSED], "odd": [LOOK]}
    monkeypatch.setattr(
        "liverlib.inference.segmenter.examine_scan", lambda scan, *_: found.get(scan.name[:3], [])
    )
    monkeypatch.setattr("liverlib.inference.segmenter.Calibration.of", lambda *_: None)


def scan(path, offset=0):
    volume, _ = simple_case()
    write_volume(path, volume.voxels + np.int16(offset), volume.grid)
    return str(path)


def test_a_wrong_scan_has_no_mask_and_code_3_unless_it_is_asked_for(tmp_path, capsys):
    path, mask = scan(tmp_path / "ct.nii.gz", 1024), tmp_path / "mask.nii.gz"
    assert main(["segment", path, "-o", str(mask)]) == 3
    printed = capsys.readouterr().out
    assert "not to be used" in printed and "HU + 1024" in printed and "--anyway" in printed
    assert not mask.exists()
    assert main(["segment", path, "-o", str(mask), "--anyway"]) == 0
    assert nib.load(mask).header["intent_name"].item() == b"not to be used"
    assert main(["segment", path, "-o", str(mask)]) == 3  # nobody asks for it any more


def test_a_folder_ends_with_a_list_of_what_is_not_as_expected(tmp_path, capsys, doubted):
    names = ("bad_1", "bad_2", "odd", "sound")
    paths = [scan(tmp_path / f"{name}.nii.gz") for name in names]
    assert main(["segment", *paths, "-o", str(tmp_path / "masks")]) == 3
    told = capsys.readouterr().err.splitlines()
    assert "look closely: odd" in told and "not to be used: bad_1, bad_2" in told
    written = {path.name for path in (tmp_path / "masks").iterdir()}
    assert written == {"odd.nii.gz", "sound.nii.gz"}


def test_quality_and_origin_stand_in_every_file(tmp_path, doubted):
    path, mask = scan(tmp_path / "odd.nii.gz"), tmp_path / "m.nii.gz"
    assert main(["segment", path, "-o", str(mask), "--report", str(tmp_path)]) == 0
    assert nib.load(mask).header["intent_name"].item() == b"look closely"
    content = json.loads((tmp_path / "odd.json").read_text())
    assert content["quality"]["verdict"] == LOOK_CLOSELY
    assert content["quality"]["reasons"][0]["text"] == LOOK.text
    assert content["origin"]["input"] == "odd.nii.gz"
    endings = ("safetensors", "quality.json", "fine.safetensors")
    assert set(content["origin"]["weights"]) == {f"pretrained.{ending}" for ending in endings}
    assert {len(sha) for sha in content["origin"]["weights"].values()} == {64}
    comments = [row[0] for row in csv.reader((tmp_path / "odd.csv").open()) if row[0][0] == "#"]
    assert any("look closely" in text for text in comments)
    page = (tmp_path / "odd.html").read_text()
    assert 'class="verdict look"' in page and LOOK.text in page
    assert "odd: look closely" in page  # the title of the slice browser
    assert content["origin"]["input_sha256"][:16] in page
