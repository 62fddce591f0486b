"""Mean and Student-t interval over seeds."""

import math
from collections.abc import Sequence

from scipy import stats

from anchorwise import _checks
from anchorwise._config import Section


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
    _checks.level(level)
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean=mean, half_width=None, level=level, num_values=n)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    quantile = float(stats.t.ppf(0.5 + level / 2, n - 1))
    return Interval(mean=mean, half_width=quantile * math.sqrt(variance / n), level=level, num_values=n)
