"""Hill's estimate of the exponent with which scores thin out below a known endpoint, with its exact interval.

For shortfalls delta below a threshold delta_u with P(shortfall < delta) = (delta / delta_u)^alpha, the m terms
log(delta_u / delta) are independent exponentials of mean 1 / alpha. So with S their sum

    alpha = m / S,    alpha_true * S ~ Gamma(m),    standard error alpha / sqrt(m)

Source: Hill 1975, "A simple general approach to inference about the tail of a distribution", Annals of Statistics 3,
https://doi.org/10.1214/aos/1176343247, Eq. 2.4, applied to shortfalls.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.tails.estimators import HillTail
from anchorwise.tails.rows import RowResult, RowTails, row_tails

# a = anchors, k = scores of an anchor


@final
@dataclass(frozen=True)
class HillEstimate(RowResult):
    """Exponents of the shortfall law.

    Attributes:
        exponent: Per row, above 0.
        standard_error: Of the exponent.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    exponent: Float[Tensor, " a"]
    standard_error: Float[Tensor, " a"]
    low: Float[Tensor, " a"]
    high: Float[Tensor, " a"]


@torch.no_grad()
def hill_estimate(
    scores: Float[Tensor, "a k"],
    *,
    num_tail: int,
    endpoint: float = 1.0,
    prior_points: float = 0.0,
    level: float = 0.95,
) -> HillEstimate:
    """Return Hill's exponent of every row.

    The interval is exact for independent scores whose tail is a power of the shortfall, at any number of tail points.
    Where the tail is such a power in the limit only, it covers the exponent at this depth, and where negatives move
    together it is too short (`block_bootstrap`). The estimate lies above the truth by a factor m / (m - 1) in the mean.

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores make the tail; the next one is the threshold.
        endpoint: Where scores end, in cosines.
        prior_points: Tail points' worth of the batch's median exponent that every row is given, at least 0: rows are
            shrunk to the batch, and the interval is that of the posterior under a gamma prior.
        level: Of the interval, inside (0, 1).

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    tails = row_tails(scores, num_tail, _checks.endpoint(endpoint))
    exponent, points = hill_of(tails, endpoint, prior_points), tails.count + prior_points
    outside = (1.0 - _checks.level(level)) / 2.0
    low, high = (gamma_quantile(points, p) * exponent / points for p in (outside, 1.0 - outside))
    return HillEstimate(exponent.isfinite(), tails.notes, exponent, exponent / points.sqrt(), low, high)


def hill_of(tails: RowTails, endpoint: float, prior_points: float) -> Float[Tensor, " a"]:
    """Return Hill's exponent of every row, shrunk to their median; not a number in rows without an estimate."""
    prior = HillTail(prior_points=prior_points)
    estimate = prior.estimate_of(tails.sums(endpoint))
    shrunk = prior.shrink(estimate, estimate.batch_median) if prior_points else estimate.exponent
    return torch.where(tails.enough & estimate.exists, shrunk, torch.nan)


def gamma_quantile(shape: Float[Tensor, " a"], probability: float) -> Float[Tensor, " a"]:
    """Return the quantile of gamma laws of unit scale; the guess is made for shapes of 8 or more.

    Source: Wilson and Hilferty 1931, "The distribution of chi-square", https://doi.org/10.1073/pnas.17.12.684, for the
    first guess; Newton's method on the distribution function does the rest.
    """
    z = torch.special.ndtri(shape.new_full((), probability))
    guess = shape * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt())).clamp_min(0.05).pow(3)
    for _ in range(6):
        density = ((shape - 1.0) * guess.log() - guess - torch.lgamma(shape)).exp()
        step = (torch.special.gammainc(shape, guess) - probability) / density
        guess = torch.maximum(guess - step, guess / 2.0)
    return guess
