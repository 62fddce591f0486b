"""How surprising the shortfall law's lead is if scores have no end: exact in the nuisance parameter, by simulation.

Under the exponential law the exceedances divided by their mean, x = y / mean(y), are m times a uniform point of the
simplex, whatever the law's scale. Given r = delta_u / mean(y) the AIC difference is, for exponents above 1, a falling
function of

    S = sum over exceedances of -log(1 - x / r)

so that its distribution depends on m and r alone. A simulated tail with a point beyond the endpoint (x >= r) cannot
have come from the shortfall law at all and speaks against it more than any that has none. Hence

    p = P(max x < r) * P(S <= observed | max x < r)

The first factor is the distribution of the largest spacing (Fisher 1929). For the second S is standardised by its
limiting mean and standard deviation, those of an exponential law kept below r, by quadrature; what is left of its
shape varies slowly with m and r and is interpolated in a table of simulated quantiles, which becomes the normal law
for large m. `benchmarks/exponential_law_table.py` makes the table.

Source: Fisher 1929, "Tests of significance in harmonic analysis", https://doi.org/10.1098/rspa.1929.0151.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.tails.tail_sums import TailSums

# a = anchors, q = nodes of a quadrature, p = probabilities of the table, m, w = numbers and widths of the table

TABLE_FILE = "exponential_law.json"
_MAX_TERMS = 65
_MAX_POISSON = 12.0  # Above this expected number of points beyond the endpoint, all terms of the series cancel.


@torch.no_grad()
def exponential_pvalue(tail: TailSums) -> Float[Tensor, " a"]:
    """Return the probability, under the exponential law, of an AIC difference at least as large as each row's.

    Meant for 8 exceedances or more. Below 0.0005 it is extrapolated: an order of magnitude, not digits.
    """
    # The floors keep rows without a tail free of warnings; they have no p-value.
    num_points = tail.count.clamp_min(2.0)
    ratio = tail.threshold_shortfall / tail.mean_excess.clamp_min(1e-12)
    ratio = ratio.clamp_min(1.0 + 1e-6)
    residual = tail.sum_log_ratio / num_points - 1.0 / ratio
    mean, deviation = residual_moments(ratio)
    z = (residual - mean) / deviation * num_points.sqrt()
    table = _stored().to(z.device)
    return none_beyond(num_points, ratio) * table.cdf(z, num_points, ratio)


def none_beyond(num_points: Float[Tensor, " a"], ratio: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
    """Return P(max x < ratio): that no spacing of `num_points` reaches the share ratio / num_points."""
    share = ratio / num_points
    expected = num_points * (1.0 - share).clamp_min(0.0).pow(num_points - 1.0)
    terms = torch.arange(_MAX_TERMS, dtype=share.dtype, device=share.device)
    points = num_points.unsqueeze(1)
    log_choose = torch.lgamma(points + 1.0) - torch.lgamma(terms + 1.0)
    log_choose = log_choose - torch.lgamma((points - terms).clamp_min(0.0) + 1.0)
    left = (1.0 - terms * share.unsqueeze(1)).clamp_min(0.0)
    values = (log_choose + (points - 1.0) * left.log()).exp() * (1.0 - 2.0 * (terms % 2))
    series = torch.where((terms <= points) & (left > 0.0), values, 0.0).sum(dim=1).clamp(0.0, 1.0)
    return torch.where(expected > _MAX_POISSON, (-expected).exp(), series)


def residual_moments(ratio: Float[Tensor, " a"]) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return mean and standard deviation, per point, of -log(1 - t) - t given the mean of t = x / ratio.

    t follows an exponential law on (0, 1) whose mean is 1 / ratio. Given the sum of t, the variance of a sum of
    functions of t is what regression on t leaves.
    """
    nodes, upper, weights = _quadrature(ratio.device)
    rate = _rate(1.0 / ratio).unsqueeze(1)
    log_density = -rate * torch.where(rate >= 0.0, nodes, -upper)
    density = log_density.exp() * weights
    density = density / density.sum(dim=1, keepdim=True)
    residual = -upper.log() - nodes
    centred_t = nodes - (density * nodes).sum(dim=1, keepdim=True)
    mean = (density * residual).sum(dim=1, keepdim=True)
    slope = (density * centred_t * residual).sum(dim=1) / (density * centred_t.square()).sum(dim=1)
    left = residual - mean - slope.unsqueeze(1) * centred_t
    return mean.squeeze(1), (density * left.square()).sum(dim=1).sqrt()


def _rate(mean: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
    """Return the rate, of either sign, of the exponential law on (0, 1) with this mean, by bisection."""
    low, high = -1.0 / (1.0 - mean), 1.0 / mean
    for _ in range(60):
        middle = (low + high) / 2.0
        safe = torch.where(middle.abs() < 1e-4, 1e-4, middle)
        found = torch.where(middle.abs() < 1e-4, 0.5 - middle / 12.0, 1.0 / safe - 1.0 / torch.expm1(safe))
        low, high = torch.where(found > mean, middle, low), torch.where(found > mean, high, middle)
    return (low + high) / 2.0


def _quadrature(device: torch.device) -> tuple[Float[Tensor, " q"], Float[Tensor, " q"], Float[Tensor, " q"]]:
    """Return nodes t on (0, 1), 1 - t, and weights of the double exponential rule, dense at both ends.

    Source: Takahasi and Mori 1974, "Double exponential formulas for numerical integration".
    """
    steps = torch.linspace(-3.2, 3.2, 201, dtype=torch.float64, device=device)
    inner = math.pi * torch.sinh(steps)
    nodes, upper = torch.sigmoid(inner), torch.sigmoid(-inner)
    return nodes, upper, nodes * upper * torch.cosh(steps)


@dataclass(frozen=True)
class QuantileTable:
    """Simulated quantiles of the standardised S.

    Attributes:
        levels: Probabilities, rising.
        num_exceedances: Tail sizes, rising; the normal law stands for more.
        widths: log(tail size) / r, rising from 0.
        quantiles: One for each tail size, width and level.
    """

    levels: Float[Tensor, " p"]
    num_exceedances: Float[Tensor, " m"]
    widths: Float[Tensor, " w"]
    quantiles: Float[Tensor, "m w p"]

    def cdf(
        self, z: Float[Tensor, " a"], num_points: Float[Tensor, " a"], ratio: Float[Tensor, " a"]
    ) -> Float[Tensor, " a"]:
        """Return P(standardised S <= z), interpolated in 1 / sqrt(m), log(m) / r and the level's normal score."""
        scores = torch.special.ndtri(self.levels)
        normal = scores.expand(1, len(self.widths), -1)
        grid = torch.cat([normal, self.quantiles.flip(0)])
        sizes = torch.cat([self.levels.new_zeros(1), self.num_exceedances.flip(0).rsqrt()])
        row, along = _bracket(sizes, num_points.rsqrt())
        column, across = _bracket(self.widths, num_points.log() / ratio)
        near = torch.lerp(grid[row, column], grid[row, column + 1], across.unsqueeze(1))
        far = torch.lerp(grid[row + 1, column], grid[row + 1, column + 1], across.unsqueeze(1))
        quantiles = torch.lerp(near, far, along.unsqueeze(1))
        return torch.special.ndtr(_interpolate(z, quantiles, scores))

    def to(self, device: torch.device) -> "QuantileTable":
        """Return the table on a device."""
        return QuantileTable(*(part.to(device) for part in vars(self).values()))


def _bracket(grid: Float[Tensor, " m"], value: Float[Tensor, " a"]) -> tuple[Tensor, Float[Tensor, " a"]]:
    """Return the interval of a rising grid in which each value lies, and where in it; beyond its ends, the ends."""
    clamped = value.clamp(grid[0], grid[-1])
    index = (torch.searchsorted(grid, clamped, right=True) - 1).clamp(0, len(grid) - 2)
    return index, (clamped - grid[index]) / (grid[index + 1] - grid[index])


def _interpolate(z: Float[Tensor, " a"], x: Float[Tensor, "a p"], y: Float[Tensor, " p"]) -> Float[Tensor, " a"]:
    """Return piecewise linear y(x) at z in every row; the first and the last piece go on beyond the ends."""
    index = (torch.searchsorted(x, z.unsqueeze(1), right=True) - 1).clamp(0, x.shape[1] - 2)
    left, right = x.gather(1, index).squeeze(1), x.gather(1, index + 1).squeeze(1)
    index = index.squeeze(1)
    return y[index] + (z - left) / (right - left) * (y[index + 1] - y[index])


@cache
def _stored() -> QuantileTable:
    text = resources.files("anchorwise.tails").joinpath(TABLE_FILE).read_text(encoding="utf-8")
    stored = json.loads(text)
    names = ("levels", "num_exceedances", "widths", "quantiles")
    return QuantileTable(*(torch.tensor(stored[name], dtype=torch.float64) for name in names))
