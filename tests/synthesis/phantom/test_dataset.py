"""Phantoms on disk, laid out as MSD Task03_Liver is."""

import dataclasses
import json
import re

import numpy as np
import pytest

from liverlib.core.errors import LiverlibError
from liverlib.core.files import read_json, write_json
from liverlib.core.settings import to_dict
from liverlib.data.cases import find_cases
from liverlib.io.nifti import read_label
from liverlib.io.scan import read_scan
from liverlib.synthesis.phantom.dataset import write_phantoms
from liverlib.synthesis.phantom.phantom import PHANTOM_VERSION, PhantomSettings, make_phantom

SMALL = PhantomSettings(cases=3, unlabelled=1, size=48)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "Task03_Liver", SMALL, workers=1)


def test_the_dataset_is_laid_out_as_msd_does(dataset):
    content = json.loads((dataset / "dataset.json").read_text())
    assert content["labels"] == {"0": "background", "1": "liver", "2": "cancer"}
    assert content["modality"] == {"0": "CT"} and content["tensorImageSize"] == "3D"
    assert content["numTraining"] == 3 and content["numTest"] == 1
    assert content["test"] == ["./imagesTs/phantom_003.nii.gz"]
    for entry in content["training"]:
        assert (dataset / entry["image"]).is_file() and (dataset / entry["label"]).is_file()
    assert [case.label is not None for case in find_cases(dataset)] == [True, True, True, False]


def test_files_hold_the_phantoms(dataset):
    for index in range(2):
        phantom = make_phantom(index, SMALL)
        file = f"phantom_{index:03d}.nii.gz"
        scan = read_scan(dataset / "imagesTr" / file)
        label = read_label(dataset / "labelsTr" / file, scan)
        assert np.array_equal(scan.voxels, phantom[0].voxels)
        assert np.array_equal(label.voxels, phantom[1].voxels)
        assert scan.grid.orientation == phantom[0].grid.orientation


def test_a_killed_run_continues_and_keeps_finished_cases(dataset, tmp_path):
    partial = tmp_path / "Task03_Liver"
    write_phantoms(partial, SMALL, workers=1)
    before = {path: path.read_bytes() for path in partial.rglob("*.nii.gz")}
    (partial / "dataset.json").unlink()
    (partial / "labelsTr" / "phantom_001.nii.gz").unlink()
    kept = partial / "imagesTr" / "phantom_000.nii.gz"
    written = kept.stat().st_mtime_ns
    write_phantoms(partial, SMALL, workers=2)
    assert {path: path.read_bytes() for path in partial.rglob("*.nii.gz")} == before
    assert kept.stat().st_mtime_ns == written
    assert read_json(partial / "dataset.json") == read_json(dataset / "dataset.json")


@pytest.mark.parametrize("version", [{"version": 0}, {"phantom_version": PHANTOM_VERSION}, {}])
def test_phantoms_of_another_version_are_to_be_deleted(tmp_path, version):
    write_json(tmp_path / "phantoms.json", {**version, **to_dict(SMALL)})
    text = f"^{re.escape(str(tmp_path))}: .* another version of liverlib .* Delete this folder, and"
    with pytest.raises(LiverlibError, match=text):
        write_phantoms(tmp_path, SMALL, workers=1)


def test_a_folder_of_other_settings_is_refused(dataset, tmp_path):
    with pytest.raises(LiverlibError, match="other settings"):
        write_phantoms(dataset, dataclasses.replace(SMALL, seed=7), workers=1)
    assert read_json(dataset / "phantoms.json")["version"] == PHANTOM_VERSION
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(LiverlibError, match="another dataset"):
        write_phantoms(tmp_path, SMALL, workers=1)
