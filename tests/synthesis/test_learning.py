"""Training on synthetic scans, which are a `BatchSource` as cached cubes are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import simple_case
from safetensors.numpy import load_file

from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.generator import SyntheticScans
from liverlib.training.loop import train
from liverlib.training.settings import ROI_DEFAULTS

LIVER = CubeSettings(size=64, crop="liver", window=ROI_WINDOW)
SMALL = replace(ROI_DEFAULTS, channels=(4, 8), patch_size=32, epochs=2, steps=3, implants=0.0)


@pytest.fixture
def validation(tmp_path):
    path = tmp_path / "cube.safetensors"
    to_cube(*simple_case(0), replace(LIVER, size=32)).save(path)
    return [path]


def test_a_training_on_synthetic_scans_goes_on_where_it_was_stopped(paths, validation, tmp_path):
    torch.set_num_threads(1)

    def source() -> SyntheticScans:
        return SyntheticScans(paths, 4.0, LIVER, SMALL.patch_size, 0.83, SMALL.seed)

    whole = train(source(), validation, tmp_path / "whole", SMALL)
    assert len(whole) == 2 and np.isfinite(whole[-1]["train_loss"])

    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(source(), validation, tmp_path / "parts", SMALL, on_epoch=stop)
    train(source(), validation, tmp_path / "parts", SMALL)
    ends = [load_file(tmp_path / part / "last.safetensors") for part in ("whole", "parts")]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])
