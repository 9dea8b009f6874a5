from pathlib import Path

import numpy as np
import pytest

from liverlib.inference.segmenter import Segmenter
from liverlib.io.scan import read_scan
from liverlib.io.volume import Volume
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

SHARED = Path(__file__).parents[4] / "shared"
REAL = ("data/ct_3mm/image.nii.gz", "data/ct_dicom/slices", "data/liver_crop_128/image.nii.gz")


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter.load()


@pytest.fixture(scope="session")
def phantoms() -> list[tuple[Volume, np.ndarray]]:
    """Scans and their labels, none of which any check was made on."""
    settings = PhantomSettings(seed=31, size=96)
    pairs = [make_phantom(n, settings) for n in range(8)]
    return [(scan, label.voxels) for scan, label in pairs]


@pytest.fixture(scope="session")
def real_scans() -> list[Volume]:
    """The real scans beside the checkout; tests that need them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no real scans: {SHARED} is not there")
    patients = sorted((SHARED / "patients").glob("*/image.nii.gz"))
    return [read_scan(path) for path in (*(SHARED / name for name in REAL), *patients)]
