"""Intervals: of a mean over seeds, and of a number over test rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from anchorwise import _checks
from anchorwise._config import Section

# n = seeds


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
    _checks.level(level)
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


class Interval(Section):
    """A mean with its two-sided interval `mean +- half_width`.

    Attributes:
        mean: Of the values.
        half_width: Student-t half width; None for a single value, which says nothing about spread.
        level: Confidence level in (0, 1).
        num_values: Values averaged.
    """

    mean: float
    half_width: float | None
    level: float
    num_values: int


def t_interval(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Return the mean of `values` with its Student-t interval: `t(n - 1) * standard deviation / sqrt(n)`.

    It covers what differs between the values (for instance seeds) and nothing else.

    Raises:
        ValueError: If there is no value, or `level` is not inside (0, 1).
    """
    if not values:
        raise ValueError("values must hold at least one number, got none")
    interval = seed_intervals(np.array(values, dtype=np.float64), level=level)
    half_width = None if len(values) == 1 else float(interval.half_width)
    return Interval(mean=float(interval.mean), half_width=half_width, level=level, num_values=len(values))


class RowInterval(Section):
    """A number of some rows with its two-sided interval over such rows.

    Attributes:
        value: The number, such as the share of rows that are classified correctly.
        low: Lower end.
        high: Upper end.
        level: Confidence level in (0, 1).
        num_rows: Rows that it is a number of.
    """

    value: float
    low: float
    high: float
    level: float
    num_rows: int


def wilson_interval(share: float, num_rows: int, *, level: float = 0.95) -> RowInterval:
    """Return Wilson's interval of a share of independent rows, such as an accuracy.

    It covers which rows happened to be in the test set, and nothing that differs between trainings.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    https://doi.org/10.1080/01621459.1927.10502953.

    Raises:
        ValueError: If `share` is not in [0, 1], there is no row, or `level` is not inside (0, 1).
    """
    _checks.fraction("share", share)
    n, z = _checks.count("num_rows", num_rows), float(stats.norm.ppf(0.5 + _checks.level(level) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(middle - half_width, 0.0), min(middle + half_width, 1.0)
    return RowInterval(value=share, low=low, high=high, level=level, num_rows=n)


def normal_interval(value: float, error: float, num_rows: int, *, level: float = 0.95) -> RowInterval:
    """Return the interval of a number whose standard error over rows is known: `value +- z * error`.

    Raises:
        ValueError: If `error` is below 0, there is no row, or `level` is not inside (0, 1).
    """
    half_width = float(stats.norm.ppf(0.5 + _checks.level(level) / 2)) * _checks.at_least("error", error, 0.0)
    n = _checks.count("num_rows", num_rows)
    return RowInterval(value=value, low=value - half_width, high=value + half_width, level=level, num_rows=n)
