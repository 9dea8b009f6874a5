"""``liverlib segment`` and ``liverlib lesions``: files in, files out."""

import json

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.cli.main import main
from liverlib.io.nifti import read_label, write_volume
from liverlib.models.weights import PRETRAINED


@pytest.fixture
def scan_file(tmp_path):
    scan, label = simple_case()
    write_volume(tmp_path / "ct.nii.gz", scan.voxels, scan.grid)
    write_volume(tmp_path / "label.nii.gz", label.voxels, label.grid)
    return tmp_path / "ct.nii.gz"


def test_the_pretrained_weights_are_used_where_no_others_are_named(scan_file, tmp_path, capsys):
    mask = tmp_path / "mask.nii.gz"
    assert main(["segment", str(scan_file), "-o", str(mask)]) == 0
    printed = capsys.readouterr().out
    assert PRETRAINED.name in printed and "Not a medical device" in printed
    image, scan = nib.load(mask), nib.load(scan_file)
    assert image.shape == scan.shape
    np.testing.assert_array_equal(image.affine, scan.affine)
    assert set(np.unique(np.asarray(image.dataobj))) <= {0, 1, 2}


def test_probabilities_and_a_report_lie_beside_the_mask(scan_file, tmp_path):
    out = tmp_path / "out"
    words = ["--tta", "--probabilities", "--report", str(out), "--min-lesion-probability", "0"]
    assert main(["segment", str(scan_file), "-o", str(out / "m.nii.gz"), *words]) == 0
    assert {path.name for path in (out / "probabilities").iterdir()} == {
        "m_liver.nii.gz",
        "m_tumour.nii.gz",
    }
    assert {path.name for path in out.iterdir()} >= {"ct.html", "ct.csv", "ct.json", "m.nii.gz"}
    table = json.loads((out / "ct.json").read_text())
    assert len(table["tumour_ml_each"]) == 4  # one for each shift


def test_lesions_of_a_mask_are_measured(scan_file, tmp_path, capsys):
    label = tmp_path / "label.nii.gz"
    assert main(["lesions", str(scan_file), str(label), "-o", str(tmp_path / "report")]) == 0
    (lesion,) = json.loads((tmp_path / "report" / "ct.json").read_text())["lesions"]
    assert lesion["voxels"] == np.count_nonzero(read_label(label).voxels == 2)
