"""Links whose values are summed over a row, as kernels compute them with their slopes.

A term takes scores, its two numbers of every anchor and the endpoint, and returns its value and its slopes by the score
and by both numbers. The links themselves, in `anchorwise.links`, are what these are checked against.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import triton
import triton.language as tl

from anchorwise.engine.triton import tile
from anchorwise.links import (
    DistancePower,
    GaussianKernel,
    InverseMultiquadric,
    Link,
    LogGaussianKernel,
    LogKernel,
    Moment,
    NegativeTerm,
    RieszKernel,
    SigmoidLink,
)
from anchorwise.links.base import Parameter
from anchorwise.links.divergences import KullbackLeibler


@dataclass(frozen=True)
class Term:
    """A link that has a kernel.

    Attributes:
        function: The kernel's.
        first: A number, one tensor, or one number for each anchor.
        second: The same.
        endpoint: Where scores end.
    """

    function: Any
    first: Parameter
    second: Parameter = 0.0
    endpoint: float = 1.0


def term_of(link: Link) -> Term | None:
    """Return the link's term; None where there is none."""
    form = link.log_shortfall
    if form is not None:
        return Term(logit_term, form.slope, form.power, form.endpoint)
    make = _TERMS.get(type(link))
    return None if make is None else make(link)


def _moment(link: Moment) -> Term | None:
    powers = (count_term, centred_term, squared_term)
    return Term(powers[link.order], link.centre) if link.order < len(powers) else None


def _distance_power(link: DistancePower) -> Term:
    return Term(distance_power_term if link.power >= 2.0 else floored_power_term, 0.5 * link.power, -1.0)


def _of_kullback_leibler(link: NegativeTerm) -> Term | None:
    return Term(gaussian_term, link.t, link.log_height) if isinstance(link.divergence, KullbackLeibler) else None


@triton.jit
def logit_term(scores, slope, power, endpoint):
    """Return `slope * s - power * log(endpoint - s)`."""
    logs = tile.log2_shortfalls(scores, endpoint, tile.EXACT) * tile.LOG_2
    by_score = slope + power * tile.inverse_shortfalls(scores, endpoint, tile.EXACT)
    return slope * scores - power * logs, by_score, scores, -logs  # pyright: ignore[reportOperatorIssue]


@triton.jit
def sigmoid_term(scores, scale, bias, endpoint):
    """Return `log(1 + exp(scale * s + bias))`."""
    logits = scale * scores + bias
    small = tl.exp(-tl.abs(logits))
    value = tl.maximum(logits, 0.0) + tl.log(1.0 + small)
    share = tl.where(logits < 0.0, small, 1.0) / (1.0 + small)
    return value, scale * share, scores * share, share


@triton.jit
def gaussian_term(scores, t, log_height, endpoint):
    """Return `exp(log_height - t d^2)`."""
    square, by_score = _squared_distances(scores)
    value = tl.exp(log_height - t * square)
    return value, -t * value * by_score, -square * value, value


@triton.jit
def log_gaussian_term(scores, t, unused, endpoint):
    """Return `-t d^2`."""
    square, by_score = _squared_distances(scores)
    return -t * square, -t * by_score, -square, square * 0.0


@triton.jit
def log_kernel_term(scores, t, unused, endpoint):
    """Return `-log(1 + t d^2)`."""
    square, by_score = _squared_distances(scores)
    inverse = 1.0 / (1.0 + t * square)
    return -tl.log(1.0 + t * square), -t * inverse * by_score, -square * inverse, square * 0.0


@triton.jit
def multiquadric_term(scores, factor, unused, endpoint):
    """Return `(1 + factor * d^2) ** -1/2`."""
    square, by_score = _squared_distances(scores)
    value = tl.rsqrt(1.0 + factor * square)
    cubed = -0.5 * value * value * value
    return value, factor * cubed * by_score, square * cubed, square * 0.0


@triton.jit
def distance_power_term(scores, exponent, factor, endpoint):
    """Return `factor * (d^2) ** exponent`, for exponents of at least 1."""
    square, by_score = _squared_distances(scores)
    return _powers(tl.maximum(square, 1e-30), by_score, exponent, factor)


@triton.jit
def floored_power_term(scores, exponent, factor, endpoint):
    """Return `factor * (d^2) ** exponent`, where the floor of shortfalls acts."""
    shortfalls = 1.0 - scores
    by_score = tl.where(shortfalls < tile.FLOOR, 0.0, -2.0)
    return _powers(2.0 * tl.maximum(shortfalls, tile.FLOOR), by_score, exponent, factor)


@triton.jit
def count_term(scores, unused, unused_too, endpoint):
    """Return 1."""
    zero = scores * 0.0
    return zero + 1.0, zero, zero, zero


@triton.jit
def centred_term(scores, centre, unused, endpoint):
    """Return `s - centre`."""
    zero = scores * 0.0
    return scores - centre, zero + 1.0, zero - 1.0, zero


@triton.jit
def squared_term(scores, centre, unused, endpoint):
    """Return `(s - centre)^2`."""
    centred = scores - centre
    return centred * centred, 2.0 * centred, -2.0 * centred, scores * 0.0


@triton.jit
def _squared_distances(scores):
    """Return squared distances of unit rows, not below 0, and their slopes."""
    square = 2.0 - 2.0 * scores
    return tl.maximum(square, 0.0), tl.where(square < 0.0, 0.0, -2.0)


@triton.jit
def _powers(square, by_score, exponent, factor):
    logs = tl.log2(square)
    value = factor * tl.exp2(exponent * logs)
    return value, exponent * value / square * by_score, value * logs * tile.LOG_2, tl.exp2(exponent * logs)


_TERMS: dict[type[Link], Callable[[Any], Term | None]] = {
    SigmoidLink: lambda link: Term(sigmoid_term, link.scale, link.bias),
    GaussianKernel: lambda link: Term(gaussian_term, link.t),
    LogGaussianKernel: lambda link: Term(log_gaussian_term, link.t),
    LogKernel: lambda link: Term(log_kernel_term, link.t),
    InverseMultiquadric: lambda link: Term(multiquadric_term, link.c**-2),
    RieszKernel: lambda link: Term(floored_power_term, -0.5 * link.s, 1.0 if link.s > 0 else -1.0),
    DistancePower: _distance_power,
    NegativeTerm: _of_kullback_leibler,
    Moment: _moment,
}
