"""How sure a mean over cases is, by drawing the cases anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mean:
    """The mean of a score over `n` cases, and the interval that it lies in 95 times of 100."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap_interval(
    values: Sequence[float],
    wholes: Sequence[float] | None = None,
    seed: int = 0,
    n: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Where the mean of such values lies: percentiles of the means of `n` resamples.

    With `wholes`, where the quotient of the sums lies: recall, say, is the found of all cases by
    the lesions of all, and what is drawn anew are the cases. Equal values and seed give equal
    bounds; no values give NaN. With few cases it is too narrow.
    """
    values = np.asarray(values, float)
    wholes = np.ones(values.size) if wholes is None else np.asarray(wholes, float)
    if not wholes.sum():
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(values.size, size=(n, values.size))
    parts, wholes = values[drawn].sum(1), wholes[drawn].sum(1)
    quotients = parts[wholes > 0] / wholes[wholes > 0]  # a draw without lesions says nothing
    low, high = np.quantile(quotients, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
