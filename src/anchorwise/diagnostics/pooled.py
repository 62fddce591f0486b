"""The pooled tail: from which threshold on it looks like one law, its shape and its end, with intervals.

Shapes and ends are by moments, which are sums over blocks: a thousand resamples cost a matrix product.
`anchorwise.tails.block_bootstrap` computes any statistic anew on every resample, which a million scores do not allow.

Scores that share an anchor move together, so the bootstrap draws blocks: all scores of an anchor's item, or of its
class, come and go as one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.diagnostics.stream import Pairs, Tails
from anchorwise.tails.pareto import law_of_moments

# m = pooled scores, a = anchors, b = blocks, r = repetitions of the bootstrap

NUM_THRESHOLDS = 16
LOWEST_QUANTILE = 0.9
FEWEST_EXCEEDANCES = 250
NUM_BOOTSTRAP = 499


@dataclass(frozen=True)
class PooledEstimate:
    """A number with its 95 % interval; an end of the interval is None where there is no bound."""

    value: float | None
    low: float | None
    high: float | None

    def is_below(self, number: float) -> bool:
        """Whether the whole interval lies below `number`."""
        return self.high is not None and self.high < number

    def is_above(self, number: float) -> bool:
        """Whether the whole interval lies above `number`."""
        return self.low is not None and self.low > number


@dataclass(frozen=True)
class ThresholdFit:
    """The free law above one threshold.

    Attributes:
        threshold: Cosine that is exceeded.
        num_exceedances: Scores above it.
        shape: xi; below 0 the law ends.
        endpoint: Cosine at which it ends; None where it does not end.
        mean_excess: Mean of cosine minus threshold above it.
    """

    threshold: float
    num_exceedances: int
    shape: PooledEstimate
    endpoint: PooledEstimate
    mean_excess: PooledEstimate


@dataclass(frozen=True)
class ThresholdChoice:
    """Fits over thresholds, and the one that is used.

    Attributes:
        fits: From the lowest threshold to the highest.
        chosen: Position of the threshold that is used.
        is_stable: Whether the rule found it; otherwise it is the highest one, for want of a better.
    """

    fits: tuple[ThresholdFit, ...]
    chosen: int
    is_stable: bool

    @property
    def fit(self) -> ThresholdFit:
        """The fit at the threshold that is used."""
        return self.fits[self.chosen]


def choose_threshold(pooled: Pairs, blocks: Int[np.ndarray, " a"], num_negatives: int, seed: int) -> ThresholdChoice:
    """Return fits above up to 16 thresholds, and the lowest from which on the shape stays the same.

    The rule: take the lowest threshold whose shape lies inside the 95 % interval of every higher one. A lower one uses
    more scores, but where the shape still moves they do not follow one law yet.

    Args:
        pooled: The largest scores, falling.
        blocks: The block of every anchor.
        num_negatives: Scores that the pooled ones are the largest of.
        seed: Of the bootstrap.
    """
    most = min(len(pooled.scores) - 1, round((1.0 - LOWEST_QUANTILE) * num_negatives))
    fewest = min(FEWEST_EXCEEDANCES, most)
    counts = np.unique(np.geomspace(fewest, most, NUM_THRESHOLDS).round().astype(int))[::-1]
    weights = bootstrap_weights(int(blocks.max()) + 1, seed)
    fits = tuple(fit_above(pooled, blocks, int(count), weights) for count in counts)
    for chosen, fit in enumerate(fits):
        if all(_holds(higher.shape, fit.shape.value) for higher in fits[chosen + 1 :]) and chosen + 1 < len(fits):
            return ThresholdChoice(fits, chosen, is_stable=True)
    return ThresholdChoice(fits, len(fits) - 1, is_stable=False)


def exceedances_above(tails: Tails, count: int) -> PooledExceedances:
    """Return the `count` largest pooled scores as exceedances of the next one."""
    threshold = float(tails.pooled.scores[count])
    values = tails.pooled.scores[:count].astype(np.float64) - threshold
    num_duplicates = len(tails.duplicates.scores)
    return PooledExceedances(values, threshold, tails.num_negatives, num_duplicates, tails.histogram)


def bootstrap_weights(num_blocks: int, seed: int) -> Float[np.ndarray, "r b"]:
    """Return how often every repetition of the bootstrap draws each block."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_blocks, np.full(num_blocks, 1.0 / num_blocks), size=NUM_BOOTSTRAP).astype(np.float64)


def fit_above(
    pooled: Pairs, blocks: Int[np.ndarray, " a"], count: int, weights: Float[np.ndarray, "r b"]
) -> ThresholdFit:
    """Return the free law of the `count` largest scores, with intervals from resampled blocks."""
    threshold = float(pooled.scores[count])
    excess = pooled.scores[:count].astype(np.float64) - threshold
    return fit_excess(excess, blocks[pooled.anchors[:count]], threshold, weights)


def fit_excess(
    excess: Float[np.ndarray, " m"], blocks: Int[np.ndarray, " m"], threshold: float, weights: Float[np.ndarray, "r b"]
) -> ThresholdFit:
    """Return the free law of exceedances of a threshold, each in its block, with intervals from resampled blocks."""
    powers = (np.ones_like(excess), excess, excess**2)
    sums = np.stack([np.bincount(blocks, weights=power, minlength=weights.shape[1]) for power in powers])
    mean, shape, endpoint = _moments_fit(np.r_[[sums.sum(axis=1)], weights @ sums.T], threshold)
    return ThresholdFit(threshold, len(excess), _estimate(shape), _estimate(endpoint), _estimate(mean))


def share_of(
    is_so: Bool[np.ndarray, " a"], blocks: Int[np.ndarray, " a"], weights: Float[np.ndarray, "r b"]
) -> PooledEstimate:
    """Return the share of anchors of which something is so, with an interval from resampled blocks."""
    sums = np.stack(
        [np.bincount(blocks, weights=part, minlength=weights.shape[1]) for part in (is_so, np.ones_like(is_so))]
    )
    resampled = np.r_[[sums.sum(axis=1)], weights @ sums.T]
    with np.errstate(invalid="ignore"):
        return _estimate(resampled[:, 0] / resampled[:, 1])


def _moments_fit(
    sums: Float[np.ndarray, "r 3"], threshold: float
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    """Return mean excess, shape and endpoint of each row of count, sum and sum of squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums[:, 1] / sums[:, 0]
        variance = (sums[:, 2] - sums[:, 0] * mean**2) / (sums[:, 0] - 1.0)
        shape, scale = (part.numpy() for part in law_of_moments(torch.from_numpy(mean), torch.from_numpy(variance)))
        endpoint = np.where(shape < 0, threshold - scale / shape, np.inf)
    return mean, shape, endpoint


def _estimate(values: Float[np.ndarray, " r"]) -> PooledEstimate:
    """Make an estimate of the first value with the percentiles of the others."""
    repeated = values[1:][~np.isnan(values[1:])]
    if not len(repeated) or np.isnan(values[0]):
        return PooledEstimate(None, None, None)
    low, high = np.quantile(repeated, (0.025, 0.975), method="nearest")
    return PooledEstimate(*(float(number) if np.isfinite(number) else None for number in (values[0], low, high)))


def _holds(interval: PooledEstimate, number: float | None) -> bool:
    return number is not None and not (interval.is_below(number) or interval.is_above(number))
