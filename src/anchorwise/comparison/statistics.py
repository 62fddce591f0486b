"""Intervals over encoder seeds: of one objective, and of all differences from a baseline at once.

The unit of replication is the encoder seed. A seed gives every objective the same initial weights, order and views, so
objectives are compared by their differences seed by seed.

The differences from the baseline are judged together, and any of them may be quoted, so their intervals are
simultaneous: each has level 1 - alpha / m for m objectives beside the baseline (Dunn 1961, "Multiple Comparisons among
Means", https://doi.org/10.1080/01621459.1961.10482090). Then all m cover their true differences at once with
probability 1 - alpha at least, whatever the dependence that the common baseline and the common seeds bring, and a
difference is called one exactly where its printed interval says so. Holm's procedure rejects a little more often, but
gives no intervals to quote; Dunnett's assumes equal variances of independent groups, which seeds in common are not.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from anchorwise import _checks

# n = encoder seeds

MAX_SEEDS = 1000

# Numpy gives a scalar where no axis is left.
Numbers = np.ndarray | np.floating


@dataclass(frozen=True)
class Intervals:
    """Means with their two-sided intervals `mean +- half_width`.

    Attributes:
        mean: Shape (...).
        half_width: Shape (...); infinite for a single seed, which says nothing about spread.
        deviation: Standard deviation over seeds, shape (...); not a number for a single seed.
        num_seeds: Seeds averaged.
    """

    mean: Numbers
    half_width: Numbers
    deviation: Numbers
    num_seeds: int

    @property
    def low(self) -> Numbers:
        """Lower ends."""
        return self.mean - self.half_width

    @property
    def high(self) -> Numbers:
        """Upper ends."""
        return self.mean + self.half_width


def seed_intervals(values: Float[np.ndarray, "*shape n"], *, level: float, num_comparisons: int = 1) -> Intervals:
    """Return means and Student-t intervals over the last axis.

    Args:
        values: One number per seed; for differences, already subtracted seed by seed.
        level: Confidence level in (0, 1).
        num_comparisons: Intervals that are to hold together; 1 gives plain ones.

    Raises:
        ValueError: If there is no seed, or `level` is not inside (0, 1).
    """
    n = values.shape[-1]
    if n == 0:
        raise ValueError("values must hold at least one seed, got none")
    mean = values.mean(axis=-1)
    if n == 1:
        unknown = np.full(mean.shape, np.inf)
        return Intervals(mean, unknown, np.full(mean.shape, np.nan), n)
    deviation = values.std(axis=-1, ddof=1)
    half_width = t_quantile(level, num_comparisons, n) * deviation / np.sqrt(n)
    return Intervals(mean, half_width, deviation, n)


def t_quantile(level: float, num_comparisons: int, num_seeds: int | np.ndarray) -> Numbers:
    """Return how many standard errors an interval reaches to either side.

    Raises:
        ValueError: If `level` is not inside (0, 1).
    """
    _checks.level(level)
    _checks.count("num_comparisons", num_comparisons)
    tail = (1.0 - level) / (2.0 * num_comparisons)
    return stats.t.isf(tail, np.asarray(num_seeds) - 1)


def seeds_needed(
    mean: float, deviation: float, *, level: float, num_comparisons: int, smallest_difference: float
) -> int | None:
    """Return how many seeds would decide, if mean and deviation of the differences stay as they are.

    An interval decides when it leaves out 0, or lies within `smallest_difference` of 0.

    Args:
        mean: Of the differences.
        deviation: Their standard deviation over seeds.
        level: Confidence level.
        num_comparisons: Intervals that are to hold together.
        smallest_difference: Differences below it do not matter.

    Returns:
        The smallest such number, at least 2; None if more than 1,000 would be needed.
    """
    seeds = np.arange(2, MAX_SEEDS + 1)
    half_widths = t_quantile(level, num_comparisons, seeds) * deviation / np.sqrt(seeds)
    deciding = half_widths < max(abs(mean), smallest_difference - abs(mean))
    return int(seeds[deciding.argmax()]) if deciding.any() else None
