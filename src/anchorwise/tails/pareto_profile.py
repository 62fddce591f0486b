"""The likelihood of generalised Pareto tails as a function of their endpoint, for many rows at once.

For an endpoint b above the threshold, theta = 1 / b and exceedances y of number m,

    shape(theta) = mean log(1 - theta y)    scale(theta) = -shape / theta
    logL(theta) / m = -log scale(theta) - shape(theta) - 1

is the likelihood with everything but the endpoint at its best; theta < 0 is a law without endpoint and theta = 0 the
exponential one. So the endpoint's profile likelihood has a closed form, and the shape's follows from it: another scale
at the same theta, scale(theta) exp(s), costs s + exp(-s) - 1 per exceedance and has the shape shape(theta) exp(s).

The search runs over w with 1 - theta max(y) = exp(-w), in which the maximum lies near -shape log m. Laws of shape
below -1 are left out: their likelihood has no maximum.

Source: Davison 1984 and Grimshaw 1993, "Computing maximum likelihood estimates for the generalized Pareto
distribution", Technometrics 35, https://doi.org/10.1080/00401706.1993.10485040, for the profile in theta.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# a = anchors, t = tail points

LOWEST_SHAPE = -1.0
_GRID_POINTS = 50
_GOLDEN_STEPS = 40
_BISECTIONS = 40
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_SMALLEST_THETA = 1e-9  # Nearer to 0 the law is exponential to all digits that count, and theta divides.


@dataclass(frozen=True)
class Profile:
    """Exceedances of rows as their likelihood sees them.

    Attributes:
        relative: Exceedances divided by their row's largest; 0 where a place is empty.
        counted: Which places hold an exceedance.
        largest: The largest exceedance of each row, above 0.
    """

    relative: Float[Tensor, "a t"]
    counted: Bool[Tensor, "a t"]
    largest: Float[Tensor, " a"]

    @property
    def count(self) -> Float[Tensor, " a"]:
        """Exceedances per row, at least 1."""
        return self.counted.sum(dim=1).clamp_min(1).to(self.relative.dtype)

    @property
    def span(self) -> Float[Tensor, " a"]:
        """How far from 0 the largest of that many exponentials may lie: the unit of the search."""
        return self.count.log() + 5.0

    def at(self, w: Float[Tensor, " a"]) -> "Point":
        """Return the likeliest shape and scale at w."""
        theta = -torch.expm1(-w)
        theta = torch.where(theta.abs() < _SMALLEST_THETA, _SMALLEST_THETA, theta)
        logs = torch.log1p(-theta.unsqueeze(1) * self.relative)
        shape = torch.where(self.counted, logs, 0.0).sum(dim=1) / self.count
        scale = -shape / theta * self.largest
        return Point(w, shape, scale, -scale.log() - shape - 1.0)

    def endpoint_distance(self, w: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Return the distance from threshold to endpoint; infinite where there is none."""
        return torch.where(w > 0.0, self.largest / -torch.expm1(-w), torch.inf)


@dataclass(frozen=True)
class Point:
    """One law per row: the likeliest one with its endpoint.

    Attributes:
        w: Position of the search.
        shape: xi.
        scale: sigma.
        log_likelihood: Per exceedance.
    """

    w: Float[Tensor, " a"]
    shape: Float[Tensor, " a"]
    scale: Float[Tensor, " a"]
    log_likelihood: Float[Tensor, " a"]

    @property
    def regular_log_likelihood(self) -> Float[Tensor, " a"]:
        """Per exceedance, of the likeliest law with this endpoint among those of shape -1 or more.

        Where the likeliest of all has a smaller shape, that is the uniform law up to the endpoint.
        """
        uniform = (-self.shape / self.scale).clamp_min(torch.finfo(self.scale.dtype).tiny).log()
        return torch.where(self.shape >= LOWEST_SHAPE, self.log_likelihood, uniform)


def profile_of(excess: Float[Tensor, "a t"]) -> Profile:
    """Return the profile of exceedances in falling order, 0 where a place is empty."""
    largest = torch.where(excess[:, 0] > 0.0, excess[:, 0], 1.0)
    return Profile(excess / largest.unsqueeze(1), excess > 0.0, largest)


def likeliest(profile: Profile) -> Point:
    """Return the law of maximum likelihood of every row: the best of a grid, then golden section around it.

    A maximum at shape -1, where the likelihood may rise again, is taken only where there is none inside.
    """

    def inside(w: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        point = profile.at(w)
        return torch.where(point.shape > LOWEST_SHAPE, point.log_likelihood, -torch.inf)

    grid = torch.linspace(-1.5, 2.0, _GRID_POINTS, dtype=profile.largest.dtype, device=profile.largest.device)
    values = torch.stack([inside(step * profile.span) for step in grid])
    best = values.argmax(dim=0)
    low, high = grid[(best - 1).clamp_min(0)], grid[(best + 1).clamp_max(len(grid) - 1)]
    return profile.at(golden_section(inside, low * profile.span, high * profile.span))


def likely_range(profile: Profile, best: Point, drop: Float[Tensor, " a"]) -> tuple[Tensor, Tensor]:
    """Return how far w can move to either side before the log-likelihood per exceedance has dropped by `drop`."""

    def above(w: Float[Tensor, " a"]) -> Bool[Tensor, " a"]:
        return profile.at(w).regular_log_likelihood > best.log_likelihood - drop

    return _last_inside(above, best.w, -4.0 * profile.span), _last_inside(above, best.w, 4.0 * profile.span)


def shape_range(
    profile: Profile, best: Point, drop: Float[Tensor, " a"], ends: tuple[Float[Tensor, " a"], Float[Tensor, " a"]]
) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return the lowest and highest shape of laws whose log-likelihood is within `drop` of the best.

    Args:
        profile: The exceedances.
        best: Their likeliest law.
        drop: Per exceedance.
        ends: The range of w of such laws.
    """

    def extreme(w: Float[Tensor, " a"], side: float) -> Float[Tensor, " a"]:
        point = profile.at(w)
        spare = (point.log_likelihood - best.log_likelihood + drop).clamp_min(0.0)
        wider, narrower = _scale_costing(spare)
        outwards = (point.shape < 0.0) == (side < 0.0)
        return side * point.shape * torch.where(outwards, wider, narrower)

    lowest = golden_section(lambda w: extreme(w, -1.0), *ends)
    highest = golden_section(lambda w: extreme(w, 1.0), *ends)
    return (-extreme(lowest, -1.0)).clamp_min(LOWEST_SHAPE), extreme(highest, 1.0)


def golden_section(
    function: Callable[[Tensor], Tensor], low: Float[Tensor, " a"], high: Float[Tensor, " a"]
) -> Float[Tensor, " a"]:
    """Return where functions with one maximum between `low` and `high` have it, row by row."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_GOLDEN_STEPS):
        is_left = at_left >= at_right
        low, high = torch.where(is_left, low, left), torch.where(is_left, right, high)
        new = torch.where(is_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_new = function(new)
        left, right = torch.where(is_left, new, right), torch.where(is_left, left, new)
        at_left, at_right = torch.where(is_left, at_new, at_right), torch.where(is_left, at_left, at_new)
    return (low + high) / 2.0


def _last_inside(
    inside: Callable[[Tensor], Tensor], start: Float[Tensor, " a"], end: Float[Tensor, " a"]
) -> Float[Tensor, " a"]:
    """Return the point between `start`, which is inside, and `end` up to which rows are inside."""
    outside_found = ~inside(end)
    far = end
    for _ in range(_BISECTIONS):
        middle = (start + far) / 2.0
        is_inside = inside(middle)
        start, far = torch.where(is_inside, middle, start), torch.where(is_inside, far, middle)
    return torch.where(outside_found, start, end)


def _scale_costing(spare: Float[Tensor, " a"]) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return the factors exp(s) above and below 1 with s + exp(-s) - 1 = spare, by Newton's method."""
    root = (2.0 * spare).sqrt()
    up, down = root + spare, -torch.log1p(root + spare)
    for _ in range(8):
        up = up - (up + torch.expm1(-up) - spare) / (-torch.expm1(-up)).clamp_min(1e-12)
        down = down - (down + torch.expm1(-down) - spare) / (-torch.expm1(-down)).clamp_max(-1e-12)
    return up.exp(), down.exp()
