"""The statistics of tails: the published regressions, the likelihood gate, Hill's exponent."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.twins.core import FLOOR, Batch, shortfall, sigmoid

# The published regressions.


def least_squares(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Slope, residual sum of squares and R^2 of y on x."""
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    sxx = max(math.fsum((a - mean_x) ** 2 for a in x), 1e-12)
    slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sxx
    residual = math.fsum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y, strict=True))
    total = math.fsum((b - mean_y) ** 2 for b in y)
    return slope, max(residual, 1e-12), min(max(1 - residual / total, 0.0), 1.0)


@dataclass
class Regressions:
    slope: float
    r_squared: float
    delta_aic: float
    num_points: int


def regressions(shortfalls: Sequence[float]) -> Regressions:
    deltas = sorted(shortfalls)
    k = len(deltas)
    burn = max(1, k // 20)
    m = k - burn
    if m < 2:
        return Regressions(0.0, 0.0, 0.0, max(m, 0))
    shares = [r / (k + 1) for r in range(1, k + 1)][burn:]
    x = [math.log(d) for d in deltas[burn:]]
    slope, residual, r_squared = least_squares(x, [math.log(f) for f in shares])
    gumbel_slope, gumbel_residual, _ = least_squares(x, [math.log(-math.log(f)) for f in shares])
    residual += 1e6 if slope <= 0 else 0
    gumbel_residual += 1e6 if gumbel_slope >= 0 else 0
    aic = m * math.log(residual / m) + 4
    gumbel_aic = m * math.log(gumbel_residual / m) + 4
    return Regressions(slope, r_squared, gumbel_aic - aic, m)


def gate_tail_size(num_negatives: int, tail_fraction: float, min_tail_points: int) -> int:
    k = max(min_tail_points, round(tail_fraction * num_negatives))
    return min(max(10, min(k, num_negatives)), num_negatives)


def gate_tails(batch: Batch, tail_fraction: float = 0.1, min_tail_points: int = 32) -> list[list[float]]:
    return [
        sorted(shortfall(s) for s in row)[: gate_tail_size(len(row), tail_fraction, min_tail_points)]
        for row in batch.negatives
    ]


def published_factors(
    batch: Batch,
    *,
    margin: float = 2.0,
    evidence_sharpness: float = 1.0,
    proximity_quantile: float = 0.2,
    proximity_sharpness: float = 10.0,
    **tail: float,
) -> tuple[list[float], list[float]]:
    """Proximity and evidence factor of every anchor."""
    tails = gate_tails(batch, **tail)
    fits = [regressions(deltas) for deltas in tails]
    rho = [deltas[0] for deltas in tails]
    pivot = sorted(rho)[round(proximity_quantile * (len(rho) - 1))]
    near = [sigmoid(proximity_sharpness * (math.log(pivot) - math.log(r))) for r in rho]
    return near, [sigmoid(evidence_sharpness * (fit.delta_aic - margin)) for fit in fits]


def published_blend(batch: Batch, *, use: str = "both", **gate: float) -> list[float]:
    near, evident = published_factors(batch, **gate)
    both = [n * e for n, e in zip(near, evident, strict=True)]
    return {"both": both, "proximity": near, "evidence": evident}[use]


def hard_blend(batch: Batch, margin: float = 2.0, proximity_quantile: float = 0.2, **tail: float) -> list[float]:
    tails = gate_tails(batch, **tail)
    rho = [deltas[0] for deltas in tails]
    pivot = sorted(rho)[round(proximity_quantile * (len(rho) - 1))]
    return [float(r <= pivot and regressions(deltas).delta_aic >= margin) for r, deltas in zip(rho, tails, strict=True)]


def regression_exponents(
    batch: Batch, towards: float | None = None, prior_points: float = 100.0, min_tail_points: int = 32
) -> list[float]:
    """Slopes on the gate's tails, shrunk to `towards` or to their median, between 0.5 and 16."""
    fits = [regressions(deltas) for deltas in gate_tails(batch, min_tail_points=min_tail_points)]
    known = sorted(fit.slope for fit in fits if fit.slope > 0)
    centre = known[(len(known) - 1) // 2] if towards is None else towards
    exponents = []
    for fit in fits:
        explained = fit.num_points * fit.r_squared
        weight = explained / (explained + prior_points) if fit.slope > 0 else 0.0
        exponents.append(min(max(weight * fit.slope + (1 - weight) * centre, 0.5), 16.0))
    return exponents


# The likelihood gate and Hill's exponent.


@dataclass
class Exceedances:
    threshold_shortfall: float
    shortfalls: list[float]

    @property
    def hill(self) -> float | None:
        total = math.fsum(math.log(self.threshold_shortfall / d) for d in self.shortfalls)
        return len(self.shortfalls) / total if total > 0 else None

    @property
    def delta_aic(self) -> float:
        """Both log-likelihoods written out, density by density."""
        alpha, width = self.hill, self.threshold_shortfall
        if alpha is None:
            return 0.0
        mean = statistics.fmean(width - d for d in self.shortfalls)
        weibull = math.fsum(math.log(alpha / width) + (alpha - 1) * math.log(d / width) for d in self.shortfalls)
        exponential = math.fsum(-math.log(mean) - (width - d) / mean for d in self.shortfalls)
        return 2 * (weibull - exponential)


def exceedances(row: Sequence[float], tail_fraction: float = 0.1, endpoint: float = 1.0) -> Exceedances:
    threshold = statistics.fmean(row) + statistics.NormalDist().inv_cdf(1 - tail_fraction) * statistics.pstdev(row)
    above = [endpoint - s for s in row if s > threshold and endpoint - s >= FLOOR]
    return Exceedances(endpoint - threshold, above)


def likelihood_blend(
    batch: Batch,
    *,
    margin: float = 2.0,
    sharpness: float = 1.0,
    tail_fraction: float = 0.1,
    min_tail_points: int = 32,
    endpoint: float = 1.0,
) -> list[float]:
    tails = [exceedances(row, tail_fraction, endpoint) for row in batch.negatives]
    expected, found = tail_fraction * sum(map(len, batch.negatives)), sum(len(tail.shortfalls) for tail in tails)
    if expected < 2 * min_tail_points or found < min_tail_points:
        return [
            sigmoid(sharpness * (tail.delta_aic - margin)) if len(tail.shortfalls) >= min_tail_points else 0.0
            for tail in tails
        ]
    # A short tail is lent points that are worth the mean of all, in the units of its own threshold.
    shares = [d / tail.threshold_shortfall for tail in tails for d in tail.shortfalls]
    lent_log, lent_excess = -statistics.fmean(map(math.log, shares)), 1 - statistics.fmean(shares)
    blend = []
    for tail in tails:
        own = [d / tail.threshold_shortfall for d in tail.shortfalls]
        m = max(len(own), min_tail_points)
        lent = m - len(own)
        mean_log = (-math.fsum(map(math.log, own)) + lent * lent_log) / m
        mean_excess = (math.fsum(1 - t for t in own) + lent * lent_excess) / m
        # Of densities a t^(a-1) and e^(-(1 - t) / y) / y on t = delta / width, at their best a and y.
        weibull = math.log(1 / mean_log) - (1 / mean_log - 1) * mean_log
        exponential = -math.log(mean_excess) - 1
        blend.append(sigmoid(sharpness * (2 * m * (weibull - exponential) - margin)))
    return blend


def hill_exponents(
    batch: Batch, scope: str, *, tail_fraction: float = 0.1, prior_points: float = 32.0, endpoint: float = 1.0
) -> list[float]:
    """The lower median over anchors of Hill's estimates, or each anchor's own averaged with it in 1 / exponent."""
    tails = [exceedances(row, tail_fraction, endpoint) for row in batch.negatives]
    known = sorted(tail.hill for tail in tails if tail.hill is not None)
    median = known[(len(known) - 1) // 2] if known else 1.0
    if scope == "batch":
        return [median for _ in tails]
    return [
        median
        if tail.hill is None
        else (prior_points + len(tail.shortfalls)) / (prior_points / median + len(tail.shortfalls) / tail.hill)
        for tail in tails
    ]
