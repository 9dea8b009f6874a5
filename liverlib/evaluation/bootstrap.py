"""One figure over many cases, and how sure it is.

Every figure, a mean over cases, a Dice of all voxels together, a recall of all lesions, is a sum of
parts by a sum of wholes. Its interval comes from sampling whole cases anew, with replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liverlib.core.arrays import ratio


@dataclass(frozen=True)
class Measure:
    """One figure: a mean, or a quotient of sums, over `n` cases or lesions.

    `low` and `high` bound its 95 % interval. `left_out` are those that it cannot be taken of (a
    distance to an empty mask, millimetres of an unknown spacing). `lits_script` is what the
    official script prints, where that is asked for.
    """

    of: str
    measure: str
    value: float
    low: float
    high: float
    n: int
    left_out: int = 0
    lits_script: float | None = None


def mean(of: str, name: str, values: Sequence[float] | np.ndarray) -> Measure:
    """The mean of the values that are known; NaN ones are left out."""
    known = [value for value in values if not np.isnan(value)]
    return quotient(of, name, known, [1] * len(known), len(known), len(values) - len(known))


def quotient(
    of: str,
    name: str,
    parts: Sequence[float] | np.ndarray,
    wholes: Sequence[float] | np.ndarray,
    n: int,
    left_out: int = 0,
) -> Measure:
    """The sum of the parts by the sum of the wholes, one of each a case."""
    value = ratio(np.sum(parts), np.sum(wholes))
    return Measure(of, name, value, *bootstrap_interval(parts, wholes), n, left_out)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    wholes: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    n: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bounds of the mean of such values: percentiles of the means of `n` resamples.

    With `wholes`, bounds of the quotient of the sums: recall, say, is the tp of all cases by the
    lesions of all. What is resampled are the cases. Equal values and seed give equal bounds; no
    values give NaN. With few cases the interval is too narrow.
    """
    parts = np.asarray(values, float)
    counts = np.ones(parts.size) if wholes is None else np.asarray(wholes, float)
    if not counts.sum():
        return np.nan, np.nan
    sampled = np.random.default_rng(seed).integers(parts.size, size=(n, parts.size))
    sums, counts = parts[sampled].sum(1), counts[sampled].sum(1)
    quotients = sums[counts > 0] / counts[counts > 0]  # a sample without lesions says nothing
    low, high = np.quantile(quotients, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
