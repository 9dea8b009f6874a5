"""What the tests of pictures share: a small case, and figures that are closed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.io.volume import Volume


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def case() -> tuple[Volume, Volume, Volume]:
    """A scan, its label, and a mask that is the label moved by two voxels."""
    scan, label = simple_case()
    return scan, label, Volume(np.roll(label.voxels, 2, 0), label.grid)
