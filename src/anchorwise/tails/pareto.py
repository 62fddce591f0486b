"""Generalised Pareto tails whose endpoint is where the data put it: by likelihood, moments, or weighted moments.

Exceedances y over a threshold u have distribution 1 - (1 + shape y / scale)^(-1 / shape). Below 0 the shape is minus
one over the exponent of the shortfall law, and scores end at u - scale / shape; 0 is the exponential law.

Source: Pickands 1975, https://doi.org/10.1214/aos/1176343003, for the law; Hosking and Wallis 1987, "Parameter and
quantile estimation for the generalized Pareto distribution", Technometrics 29,
https://doi.org/10.1080/00401706.1987.10488243, for moments, probability-weighted moments and all standard errors (their
k is minus the shape); `tails.pareto_profile` for the likelihood.
"""

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.tails.pareto_profile import (
    LOWEST_SHAPE,
    Point,
    Profile,
    likeliest,
    likely_range,
    profile_of,
    shape_range,
)
from anchorwise.tails.rows import Note, RowResult, RowTails, noted, row_tails

# a = anchors, k = scores of an anchor, t = tail points

Method = Literal["likelihood", "moments", "weighted_moments"]


@final
@dataclass(frozen=True)
class ParetoEstimate(RowResult):
    """Generalised Pareto laws of rows.

    Attributes:
        shape: xi.
        scale: sigma, above 0.
        threshold: Above which the law holds.
        endpoint: Where scores end under the law; infinite where the shape is 0 or more.
        log_likelihood: Of all exceedances; minus infinity where one lies beyond the endpoint, which moments do not
            prevent.
        standard_error: Of the shape, in very large samples; not a number where the method has none. Two of them to
            either side of the likelihood's estimate are far from an interval of 95 %: take `low` and `high`.
        low: Lower end of the shape's interval.
        high: Upper end of the shape's interval.
    """

    shape: Float[Tensor, " a"]
    scale: Float[Tensor, " a"]
    threshold: Float[Tensor, " a"]
    endpoint: Float[Tensor, " a"]
    log_likelihood: Float[Tensor, " a"]
    standard_error: Float[Tensor, " a"]
    low: Float[Tensor, " a"]
    high: Float[Tensor, " a"]


@torch.no_grad()
def pareto_estimate(
    scores: Float[Tensor, "a k"],
    *,
    num_tail: int,
    method: Method = "likelihood",
    cap: float | None = 1.0,
    level: float = 0.95,
) -> ParetoEstimate:
    """Return a generalised Pareto law for the tail of every row.

    The intervals are for independent scores. That of the likelihood is the profile's; those of the moments are the
    estimate and its standard error. All hold their level from some 100 tail points (`docs/tails.md` has the numbers)
    where the exponent is above 2. At exponents of 1 and below the likelihood has no maximum, and the moments still do.

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores make the tail; the next one is the threshold.
        method: "likelihood"; "moments", which have a standard error above shape -0.5 to 0.25 only; or
            "weighted_moments", below shape 0.5.
        cap: Scores nearer to it than 1e-6, or beyond, are counted and left out; None leaves nothing out.
        level: Of the interval, inside (0, 1).

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    _checks.one_of("method", method, ("likelihood", "moments", "weighted_moments"))
    tails = row_tails(scores, num_tail, None if cap is None else _checks.endpoint(cap, "cap"))
    if method == "likelihood":
        return _likelihood_fit(tails, _checks.level(level))
    shape, scale, variance = (_moments if method == "moments" else _weighted_moments)(tails)
    usable = tails.enough & shape.isfinite() & (scale > 0.0)
    error = (variance / tails.count).sqrt()
    z = torch.special.ndtri(shape.new_full((), 0.5 + _checks.level(level) / 2.0))
    alike = noted(tails.enough & ~usable, "the scores above the threshold are all alike")
    return _estimate(
        tails, usable, (shape, scale, error), (shape - z * error, shape + z * error), (*tails.notes, alike)
    )


@dataclass(frozen=True)
class Likeliest:
    """The law of maximum likelihood of every row, among shapes of -1 or more.

    Attributes:
        profile: The exceedances' likelihood.
        best: Its maximum.
        exists: Whether a row has one.
        notes: Of the tails, and why there is none.
    """

    profile: Profile
    best: Point
    exists: Bool[Tensor, " a"]
    notes: tuple[Note, ...]


def likeliest_law(tails: RowTails) -> Likeliest:
    """Return every row's law of maximum likelihood."""
    profile = profile_of(tails.excess)
    best = likeliest(profile)
    inner = best.shape > LOWEST_SHAPE + 1e-6
    notes = (
        noted(tails.enough & ~inner, "the likelihood has no maximum: the exponent is near 1 or below"),
        noted(tails.enough & inner & (best.shape < -0.5), "exponent below 2: intervals are not calibrated"),
    )
    return Likeliest(profile, best, tails.enough & inner, (*tails.notes, *notes))


def _likelihood_fit(tails: RowTails, level: float) -> ParetoEstimate:
    found = likeliest_law(tails)
    profile, best = found.profile, found.best
    drop = likelihood_drop(profile, level)
    interval = shape_range(profile, best, drop, likely_range(profile, best, drop))
    error = torch.where(best.shape > -0.5, (1.0 + best.shape) / profile.count.sqrt(), torch.nan)
    return _estimate(tails, found.exists, (best.shape, best.scale, error), interval, found.notes)


def likelihood_drop(profile: Profile, level: float) -> Float[Tensor, " a"]:
    """Return by how much the log-likelihood per exceedance may fall short of its maximum inside an interval."""
    normal = torch.special.ndtri(profile.largest.new_full((), 0.5 + level / 2.0))
    return normal.square() / 2.0 / profile.count


def _moments(tails: RowTails) -> tuple[Tensor, Tensor, Tensor]:
    """Return shape, scale and m times the variance of the shape, from mean and variance."""
    y, m = tails.excess, tails.count
    mean = y.sum(dim=1) / m
    variance = torch.where(tails.counted, y - mean.unsqueeze(1), 0.0).square().sum(dim=1) / (m - 1.0)
    shape, scale = law_of_moments(mean, variance)
    k = -shape
    spread = (1 + k).square() * (1 + 2 * k) * (1 + k + 6 * k.square()) / ((1 + 3 * k) * (1 + 4 * k))
    return shape, scale, torch.where(k > -0.25, spread, torch.nan)


def law_of_moments(
    mean: Float[Tensor, " a"], variance: Float[Tensor, " a"]
) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return shape and scale of the laws whose exceedances have these means and variances."""
    ratio = mean.square() / variance
    return (1.0 - ratio) / 2.0, mean * (ratio + 1.0) / 2.0


def _weighted_moments(tails: RowTails) -> tuple[Tensor, Tensor, Tensor]:
    """Return shape, scale and m times the variance of the shape, from the mean and the mean weighted by 1 - F."""
    y, m = tails.excess, tails.count
    # In falling order i - 1 of the other m - 1 points lie above the i-th.
    rank = torch.arange(y.shape[1], dtype=y.dtype, device=y.device)
    mean, weighted = y.sum(dim=1) / m, (y * rank).sum(dim=1) / (m * (m - 1.0))
    k = mean / (mean - 2.0 * weighted) - 2.0
    scale = 2.0 * mean * weighted / (mean - 2.0 * weighted)
    spread = (1 + k) * (2 + k).square() * (1 + k + 2 * k.square()) / ((1 + 2 * k) * (3 + 2 * k))
    return -k, scale, torch.where(k > -0.5, spread, torch.nan)


def _estimate(
    tails: RowTails,
    usable: Bool[Tensor, " a"],
    law: tuple[Tensor, Tensor, Tensor],
    interval: tuple[Tensor, Tensor],
    notes: tuple[Note, ...],
) -> ParetoEstimate:
    shape, scale, error, low, high = (torch.where(usable, part, torch.nan) for part in (*law, *interval))
    distance = torch.where(shape < 0.0, -scale / shape, torch.where(usable, math.inf, torch.nan))
    likelihood = _log_likelihood(tails, shape, scale)
    beyond = noted(likelihood == -math.inf, "the largest score lies beyond the estimated endpoint")
    return ParetoEstimate(
        converged=usable,
        notes=(*notes, beyond),
        shape=shape,
        scale=scale,
        threshold=tails.threshold,
        endpoint=tails.threshold + distance,
        log_likelihood=likelihood,
        standard_error=error,
        low=low,
        high=high,
    )


def _log_likelihood(tails: RowTails, shape: Float[Tensor, " a"], scale: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
    """Return the log-likelihood of every row's exceedances under a generalised Pareto law."""
    small = shape.abs() < 1e-9
    safe = torch.where(small, 1.0, shape).unsqueeze(1)
    relative = tails.excess / scale.unsqueeze(1)
    inside = 1.0 + shape.unsqueeze(1) * relative
    powers = torch.where(small.unsqueeze(1), relative, (1.0 / safe + 1.0) * inside.log())
    powers = torch.where(inside <= 0.0, torch.inf, powers)
    return torch.where(tails.counted, -powers, 0.0).sum(dim=1) - tails.count * scale.log()
