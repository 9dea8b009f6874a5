"""A stage's outcome: the mean of its single predictions."""

import numpy as np
from stages import predicted


def test_the_mean_is_over_all_single_predictions(grid, two_pieces):
    output = predicted(grid, two_pieces, np.zeros_like(two_pieces))
    assert output.probabilities.shape[0] == 2
    np.testing.assert_allclose(output.mean, output.probabilities.mean(axis=0))
    assert output.mean.max() == 0.5
