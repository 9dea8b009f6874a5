"""The test cases of a run, scored."""

import numpy as np
import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.data.cases import Case
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import read_label, write_volume
from liverlib.pipeline.scoring import machine, score_cases


@pytest.fixture
def case(tmp_path) -> Case:
    for name, volume in zip(("scan", "label"), simple_case(), strict=True):
        write_volume(tmp_path / f"{name}.nii.gz", volume)
    return Case("first", tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz")


def test_a_case_leaves_its_mask_picture_and_film(case, tmp_path):
    summary = score_cases([case], Segmenter.load(), tmp_path / "run")
    written = sorted(path.name for path in (tmp_path / "run").rglob("first.*"))
    assert written == ["first.gif", "first.nii.gz", "first.png"]
    mask = read_label(tmp_path / "run" / "masks" / "first.nii.gz")
    (scored,) = summary.cases
    assert scored.name == "first"
    assert scored.liver.predicted_voxels == np.count_nonzero(mask.voxels)
    assert summary.measure("liver", "Dice").value == scored.liver.dice


def test_a_case_without_label_is_refused(case, tmp_path):
    with pytest.raises(LiverlibError, match="has no label"):
        score_cases([Case("a", case.image)], Segmenter.load(), tmp_path)


def test_the_machine_and_versions_are_told():
    told = machine()
    assert "processors" in told["machine"]
    assert {"torch", "numpy", "nibabel", "liverlib"} == set(told["versions"])
