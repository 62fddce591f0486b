"""Slow twins of the objectives: plain Python float64, written from the formulas, sharing no code with the package.

A batch is two lists of rows; a twin returns the losses of the 2n anchors, view 0 first.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Rows = Sequence[Sequence[float]]
Link = Callable[[int, float], float]

FLOOR = 1e-6


@dataclass
class Batch:
    """Cosines of every anchor with its positive and with its negatives (and the negatives' row numbers)."""

    positives: list[float]
    negatives: list[list[float]]

    @staticmethod
    def of(view0: Rows, view1: Rows) -> "Batch":
        rows = [*view0, *view1]
        images = [*range(len(view0)), *range(len(view1))]
        positives, negatives = [], []
        for a, row in enumerate(rows):
            negatives.append([cosine(row, rows[k]) for k in range(len(rows)) if images[k] != images[a]])
            (other,) = [k for k in range(len(rows)) if images[k] == images[a] and k != a]
            positives.append(cosine(row, rows[other]))
        return Batch(positives, negatives)

    @property
    def anchors(self) -> range:
        return range(len(self.positives))


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))


def shortfall(s: float, endpoint: float = 1.0) -> float:
    return max(endpoint - s, FLOOR)


def softmax_link(temperature: float) -> Link:
    return lambda a, s: s / temperature


def weibit_link(exponents: Sequence[float], endpoint: float = 1.0) -> Link:
    return lambda a, s: -exponents[a] * math.log(shortfall(s, endpoint))


def blend_link(blends: Sequence[float], first: Link, second: Link) -> Link:
    return lambda a, s: (1 - blends[a]) * first(a, s) + blends[a] * second(a, s)


def cross_entropy(batch: Batch, link: Link, num_hardest: int | None = None) -> list[float]:
    losses = []
    for a in batch.anchors:
        hardest = sorted(batch.negatives[a], reverse=True)[:num_hardest]
        logits = [link(a, batch.positives[a]), *(link(a, s) for s in hardest)]
        top = max(logits)
        losses.append(top + math.log(math.fsum(math.exp(x - top) for x in logits)) - logits[0])
    return losses


def info_nce(view0: Rows, view1: Rows, temperature: float, num_hardest: int | None = None) -> list[float]:
    return cross_entropy(Batch.of(view0, view1), softmax_link(temperature), num_hardest)


# The published regressions.


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


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


def regression_exponents(batch: Batch, towards: float | None = None, prior_points: float = 100.0) -> list[float]:
    """Slopes on the gate's tails, shrunk to `towards` or to their median, between 0.5 and 16."""
    fits = [regressions(deltas) for deltas in gate_tails(batch)]
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
    return [
        sigmoid(sharpness * (tail.delta_aic - margin)) if len(tail.shortfalls) >= min_tail_points else 0.0
        for tail in tails
    ]


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
