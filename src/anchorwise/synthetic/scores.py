"""Rows of independent scores whose law is known, in float64.

Laws without an end are kept under the cap, and above -1: a score outside is drawn again, so what is returned follows
the law given that it lies inside. With the default scales that happens to fewer than one score in 10,000.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks

# a = anchors, k = scores of an anchor

Shape = tuple[int, int]


def exponential_scores(
    shape: Shape, *, generator: torch.Generator, mean: float = 0.1, start: float = -0.5, cap: float = 1.0
) -> Float[Tensor, "a k"]:
    """Return `start` plus exponentials: the law for which the softmax link is right.

    Above any threshold the excess is exponential of the same mean.

    Args:
        shape: Anchors and scores of each.
        generator: Draws them.
        mean: Of the exponential part, above 0.
        start: Lowest score, in [-1, cap).
        cap: Scores lie below it.
    """
    _checks.positive("mean", mean)
    _inside("start", start, cap)
    return _below(lambda number: start - mean * _uniform(number, generator).log(), shape, cap)


def gaussian_scores(
    shape: Shape, *, generator: torch.Generator, deviation: float = 0.1, mean: float = 0.0, cap: float = 1.0
) -> Float[Tensor, "a k"]:
    """Return Gaussian scores: no end, but a tail thinner than exponential at any finite depth.

    Args:
        shape: Anchors and scores of each.
        generator: Draws them.
        deviation: Standard deviation, above 0.
        mean: Of the scores, in [-1, cap).
        cap: Scores lie below it.
    """
    _checks.positive("deviation", deviation)
    _inside("mean", mean, cap)

    def draw(number: int) -> Tensor:
        normal = torch.randn(number, generator=generator, dtype=torch.float64, device=generator.device)
        return mean + deviation * normal

    return _below(draw, shape, cap)


def student_scores(
    shape: Shape,
    *,
    generator: torch.Generator,
    degrees: float = 4.0,
    scale: float = 0.03,
    mean: float = 0.0,
    cap: float = 1.0,
) -> Float[Tensor, "a k"]:
    """Return Student scores: a tail heavier than exponential, of Pareto shape 1 / degrees, as far as the cap lets it.

    Args:
        shape: Anchors and scores of each.
        generator: Draws them.
        degrees: Degrees of freedom, above 0.
        scale: Multiplies a standard Student variable, above 0.
        mean: Centre of the scores, in [-1, cap).
        cap: Scores lie below it.

    Source: Bailey 1994, "Polar generation of random variates with the t-distribution",
    https://doi.org/10.1090/S0025-5718-1994-1203736-2.
    """
    _checks.positive("degrees", degrees)
    _checks.positive("scale", scale)
    _inside("mean", mean, cap)

    def draw(number: int) -> Tensor:
        radius = (degrees * torch.expm1(-2.0 / degrees * _uniform(number, generator).log())).sqrt()
        return mean + scale * radius * (2.0 * math.pi * _uniform(number, generator)).cos()

    return _below(draw, shape, cap)


def shortfall_scores(
    shape: Shape, *, generator: torch.Generator, exponent: float, endpoint: float = 1.0, width: float = 1.5
) -> Float[Tensor, "a k"]:
    """Return scores with P(endpoint - score < delta) = (delta / width)^exponent: the shortfall law at every depth.

    The excess over any threshold is generalised Pareto of shape -1 / exponent and ends at `endpoint`.

    Args:
        shape: Anchors and scores of each.
        generator: Draws them.
        exponent: Above 0; 1 is uniform.
        endpoint: Where scores end, above -1 and at most 1.
        width: From the lowest score to the endpoint.
    """
    _checks.positive("exponent", exponent)
    _checks.positive("width", width)
    uniform = _uniform(shape[0] * shape[1], generator)
    return _checks.endpoint(endpoint) - width * uniform.pow(1.0 / exponent).view(shape)


def sphere_scores(shape: Shape, *, generator: torch.Generator, dimension: int) -> Float[Tensor, "a k"]:
    """Return cosines of uniform points on a sphere with a fixed point of it.

    The exponent is (dimension - 1) / 2 only as the shortfall goes to 0; at a finite depth it is less.

    Args:
        shape: Anchors and scores of each.
        generator: Draws them.
        dimension: Of the space around the sphere, at least 3.

    Source: Ulrich 1984, "Computer generation of distributions on the m-sphere", https://doi.org/10.2307/2347441: two
    coordinates of a uniform point have squared length 1 - U^(2 / (dimension - 2)) and a uniform angle.
    """
    _checks.count("dimension", dimension, lowest=3)
    number = shape[0] * shape[1]
    squared_radius = -torch.expm1(2.0 / (dimension - 2) * _uniform(number, generator).log())
    angle = 2.0 * math.pi * _uniform(number, generator)
    return (squared_radius.sqrt() * angle.cos()).view(shape)


def _uniform(number: int, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Return uniform numbers in (0, 1]: their logarithm is finite."""
    return 1.0 - torch.rand(number, generator=generator, dtype=torch.float64, device=generator.device)


def _below(draw: Callable[[int], Tensor], shape: Shape, cap: float) -> Float[Tensor, "a k"]:
    """Return draws in [-1, cap), those outside drawn again."""
    scores = draw(shape[0] * shape[1])
    while bool((outside := (scores >= cap) | (scores < -1.0)).any()):
        scores[outside] = draw(int(outside.sum()))
    return scores.view(shape)


def _inside(name: str, value: float, cap: float) -> None:
    """Refuse a law of which little lies inside [-1, cap): its draws would be repeated for ever."""
    if not -1.0 <= _checks.number(name, value) < _checks.endpoint(cap, "cap"):
        raise ValueError(f"{name} must lie in [-1, {cap:g}), below the cap, got {value!r}")
