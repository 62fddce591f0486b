"""Estimates from the tail of one row of scores, written out in plain Python."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.twins.core import FLOOR
from tests.twins.tails import Exceedances


def tail(row: Sequence[float], num_tail: int, cap: float | None = 1.0) -> tuple[float, list[float]]:
    """Threshold and the scores above it, largest first."""
    usable = [s for s in row if math.isfinite(s) and (cap is None or cap - s >= FLOOR)]
    ordered = sorted(usable, reverse=True)
    threshold = ordered[num_tail]
    return threshold, [s for s in ordered[:num_tail] if s > threshold]


def exceedances(row: Sequence[float], num_tail: int, endpoint: float = 1.0) -> Exceedances:
    threshold, above = tail(row, num_tail, endpoint)
    return Exceedances(endpoint - threshold, [endpoint - s for s in above])


@dataclass
class Pareto:
    shape: float
    scale: float

    def log_likelihood(self, excess: Sequence[float]) -> float:
        """Density by density; minus infinity beyond the endpoint."""
        total = 0.0
        for y in excess:
            inside = 1 + self.shape * y / self.scale
            if inside <= 0:
                return -math.inf
            total += -math.log(self.scale) - (1 / self.shape + 1) * math.log(inside)
        return total


def pareto_of_moments(excess: Sequence[float]) -> Pareto:
    ratio = statistics.fmean(excess) ** 2 / statistics.variance(excess)
    return Pareto((1 - ratio) / 2, statistics.fmean(excess) * (ratio + 1) / 2)


def pareto_of_weighted_moments(excess: Sequence[float]) -> Pareto:
    """From E[Y] and E[Y (1 - F(Y))], the second as the mean over pairs of half the smaller one."""
    mean, m = statistics.fmean(excess), len(excess)
    smaller = [min(excess[i], excess[j]) for i in range(m) for j in range(i)]
    weighted = statistics.fmean(smaller) / 2
    return Pareto(2 - mean / (mean - 2 * weighted), 2 * mean * weighted / (mean - 2 * weighted))


def aic(excess: Sequence[float], endpoint_distance: float) -> tuple[float, float]:
    """AIC of the exponential and of the shortfall law, each the sum of log-densities at its maximum."""
    mean = statistics.fmean(excess)
    exponential = math.fsum(-math.log(mean) - y / mean for y in excess)
    alpha = len(excess) / math.fsum(math.log(endpoint_distance / (endpoint_distance - y)) for y in excess)
    power = math.fsum(
        math.log(alpha / endpoint_distance) + (alpha - 1) * math.log(1 - y / endpoint_distance) for y in excess
    )
    return 2 - 2 * exponential, 2 - 2 * power


def log_odds_of_mean(statistic: Sequence[float], mean: float) -> float:
    """Log-odds of the last candidate against the first in the exponential family of this statistic and mean."""
    low, high = -200.0, 200.0
    for _ in range(200):
        slope = (low + high) / 2
        weights = [math.exp(slope * (t - statistic[-1])) for t in statistic]
        found = math.fsum(w * t for w, t in zip(weights, statistic, strict=True)) / math.fsum(weights)
        low, high = (slope, high) if found < mean else (low, slope)
    return slope * (statistic[-1] - statistic[0])
