"""Label maps for the tests of this folder: coarse ones, so that they come in a second."""

from pathlib import Path

import pytest

from liverlib.synthesis.deformation import LabelMap
from liverlib.synthesis.label_maps import LabelMapSettings, write_label_maps


@pytest.fixture(scope="session")
def coarse() -> LabelMapSettings:
    """The settings of `paths`."""
    return LabelMapSettings(count=2, seed=5, spacing=4.0)


@pytest.fixture(scope="session")
def paths(coarse, tmp_path_factory) -> list[Path]:
    """The files of two label maps."""
    return write_label_maps(tmp_path_factory.mktemp("label_maps"), coarse, workers=1)


@pytest.fixture(scope="session")
def label_map(coarse, paths) -> LabelMap:
    """The first of them."""
    return LabelMap.load(paths[0], coarse.spacing)
