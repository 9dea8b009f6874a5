"""The script without liverlib makes liverlib's own masks."""

import ast
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from masks import MASKS
from phantoms import simple_case
from scipy import ndimage
from stages import Threshold

from liverlib.inference import segmenter
from liverlib.inference.contrasts import INVERTED, STRETCHED, ChangedContrast
from liverlib.inference.export import segment as script
from liverlib.inference.export.onnx_folder import both_stages, config_of
from liverlib.inference.segmenter import Segmenter, Stage
from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cube import CubeSettings

CUBES = {"coarse": CubeSettings(size=32), "roi": CubeSettings(32, (-120.0, 120.0), "liver")}
CONTRASTS = ChangedContrast(1.5, 0.9), ChangedContrast(-1.0, 0.9, 4.0)
NETWORKS = {"coarse": Threshold(0.6, (0.3, 0.5)), "roi": Threshold(0.3, (0.05, 0.28))}


def test_it_imports_nothing_of_liverlib():
    tree = ast.parse(Path(script.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names == {
        "collections.abc", "json", "nibabel", "numpy", "onnxruntime", "pathlib", "sys", "typing",
    }  # fmt: skip


@pytest.mark.parametrize("orientation", ["RAS", "PIR"])
@pytest.mark.parametrize("seed", range(4))
def test_any_networks_give_the_same_mask_as_in_liverlib(seed, orientation, monkeypatch):
    monkeypatch.setattr(segmenter, "mixed_precision", lambda *_: nullcontext())
    scan, _ = simple_case(seed, 40 + 9 * seed, orientation)
    stages = {name: Stage([NETWORKS[name]], cube) for name, cube in CUBES.items()}
    plain = Segmenter(stages["coarse"], stages["roi"])
    expected = replace(plain, contrasts=CONTRASTS).predict(scan).mask.voxels

    def predict(name: str, image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = NETWORKS[name](torch.from_numpy(image.astype(np.float32))[None, None])
            _, liver, tumour = logits[0].softmax(0)
        return torch.stack([liver + tumour, tumour]).numpy()

    config = config_of({name: (None, cube) for name, cube in CUBES.items()})
    config["contrasts"] = [asdict(contrast) for contrast in CONTRASTS]
    mask = script.segment(scan.voxels, scan.grid.spacing, config, predict)
    assert set(np.unique(expected)) >= {0, 1}
    assert (expected != plain.predict(scan).mask.voxels).any()
    assert (mask != expected).sum() <= 0.001 * (expected > 0).sum()


def test_the_weights_contrasts_are_in_what_the_script_reads():
    contrasts = config_of(both_stages(PRETRAINED), PRETRAINED)["contrasts"]
    assert tuple(ChangedContrast(**values) for values in contrasts) == (STRETCHED, INVERTED)


def test_a_scan_without_a_liver_has_an_empty_mask():
    air = np.full((20, 20, 20), -1000, np.int16)
    config = config_of({name: (None, cube) for name, cube in CUBES.items()})
    mask = script.segment(air, np.ones(3), config, lambda *_: np.zeros((2, 32, 32, 32), np.float32))
    assert mask.shape == air.shape and not mask.any()


@given(MASKS)
@settings(max_examples=200, deadline=None)
def test_pieces_are_those_of_scipy(mask):
    own, (known, count) = script._pieces(mask), ndimage.label(mask)
    assert len(np.unique(own[mask])) == count
    assert ((own > 0) == mask).all()
    assert len({*zip(own[mask].tolist(), known[mask].tolist(), strict=True)}) == count
