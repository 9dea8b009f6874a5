import numpy as np
import pytest

from liverlib.io.volume import Grid


@pytest.fixture
def grid() -> Grid:
    """40³ voxels of 2 mm."""
    return Grid.of((40, 40, 40), np.diag([2, 2, 2, 1.0]))


@pytest.fixture
def two_pieces() -> np.ndarray:
    """A liver with a tumour, and a smaller piece elsewhere with another."""
    label = np.zeros((40, 40, 40), np.uint8)
    label[20:35, 10:30, 10:30], label[25:28, 20:23, 20:23] = 1, 2
    label[2:8, 5:15, 5:15], label[4:6, 8:10, 8:10] = 1, 2
    return label
