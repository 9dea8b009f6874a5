"""The exported folder runs alone, in a process that cannot import liverlib."""

import os
import subprocess
import sys
from contextlib import nullcontext

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case
from stages import save_untrained

from liverlib.cli.main import main
from liverlib.core.errors import LiverlibError
from liverlib.inference import segmenter
from liverlib.inference.export.onnx_folder import both_stages, write_onnx_folder
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import write_volume
from liverlib.io.scan import read_scan


def alone(folder, scan, output) -> np.ndarray:
    """The mask, in the file's own order, that the folder's script makes of a scan."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, folder / "segment.py", scan, output]
    subprocess.run(command, check=True, cwd=folder, env=environment)
    image, source = nib.load(output), nib.load(scan)
    np.testing.assert_array_equal(image.affine, source.affine)
    return np.asarray(image.dataobj)


@pytest.fixture
def exact(monkeypatch):
    """liverlib in 32 bits, as ONNX computes; on some CPUs it takes 16."""
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.setattr(segmenter, "mixed_precision", lambda *_: nullcontext())


@pytest.mark.parametrize("orientation", ["LPS", "PIR"])
def test_the_script_makes_liverlibs_mask(orientation, tmp_path, exact):
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    scan, _ = simple_case(orientation=orientation)
    write_volume(tmp_path / "scan.nii.gz", scan)
    assert main(["export", "--onnx", "-o", str(tmp_path / "x"), "--weights", str(weights)]) == 0
    mask = alone(tmp_path / "x", tmp_path / "scan.nii.gz", tmp_path / "mask.nii.gz")
    expected = scan.grid.to_stored(Segmenter.load(weights).predict(scan).mask.voxels)
    assert (mask != expected).sum() <= 0.001 * (expected > 0).sum()


def test_the_pretrained_networks_make_the_same_mask_of_a_real_scan(shared, tmp_path, exact):
    assert main(["export", "--onnx", "-o", str(tmp_path / "x")]) == 0
    path = shared / "ct_3mm" / "image.nii.gz"
    mask = alone(tmp_path / "x", path, tmp_path / "mask.nii.gz")
    scan = read_scan(path)
    expected = scan.grid.to_stored(Segmenter.load().predict(scan).mask.voxels)
    assert expected.any()
    assert (mask != expected).sum() <= 0.001 * (expected > 0).sum()


@pytest.mark.parametrize("crops", [["body"], ["body", "body"], ["body", "liver", "liver"], ["all"]])
def test_weights_of_other_than_one_network_a_stage_are_refused(crops, tmp_path):
    weights = save_untrained(tmp_path / "w.safetensors", *crops)
    with pytest.raises(LiverlibError, match=r"one network for the body and one for the liver"):
        both_stages(weights)


def test_without_onnx_the_way_out_is_told(tmp_path, monkeypatch):
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(LiverlibError, match="pip install onnx onnxscript"):
        write_onnx_folder(tmp_path / "x", weights)
