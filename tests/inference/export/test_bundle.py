"""A MONAI bundle: MONAI runs it, where it is installed, and makes liverlib's mask."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import nibabel as nib
import numpy as np
import torch
from peers import peer
from phantoms import simple_case
from stages import save_untrained

from liverlib.inference import segmenter
from liverlib.inference.export.bundle import write_bundle
from liverlib.inference.segmenter import Segmenter
from liverlib.io.nifti import write_volume


def test_it_holds_what_the_format_asks_for(tmp_path):
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    paths = write_bundle(tmp_path / "x", weights)
    assert {str(path.relative_to(tmp_path / "x")) for path in paths} >= {
        "configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md",
    }  # fmt: skip
    metadata = json.loads((tmp_path / "x/configs/metadata.json").read_text())
    assert metadata.keys() >= {
        "version", "changelog", "monai_version", "pytorch_version", "numpy_version", "task",
        "required_packages_version", "description", "authors", "copyright", "network_data_format",
    }  # fmt: skip
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["2"] == "tumour"
    assert set(torch.load(tmp_path / "x/models/model.pt", weights_only=True)) == {"coarse", "roi"}


def test_monai_runs_it_and_makes_liverlibs_mask(tmp_path, monkeypatch):
    peer("monai", "MONAI")
    peer("fire", "fire")
    monkeypatch.setattr(segmenter, "mixed_precision", lambda *_: nullcontext())
    weights = save_untrained(tmp_path / "w.safetensors", "body", "liver")
    write_bundle(folder := tmp_path / "x", weights)
    scan, _ = simple_case(orientation="PIR")
    write_volume(folder / "scans" / "a.nii.gz", scan)
    command = [sys.executable, "-m", "monai.bundle", "run"]
    command += ["--config_file", "configs/inference.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ)
    assert not done.returncode, done.stderr[-2000:]
    image = nib.load(folder / "masks" / "a.nii.gz")
    np.testing.assert_allclose(image.affine, scan.grid.header.get_best_affine(), atol=1e-5)
    expected = scan.grid.to_stored(Segmenter.load(weights).predict(scan).mask.voxels)
    differing = np.asarray(image.dataobj) != expected
    assert differing.sum() <= 0.001 * (expected > 0).sum()
