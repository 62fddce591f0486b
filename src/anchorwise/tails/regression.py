"""The regressions by which the WEINCE release reads a tail.

With the k smallest shortfalls delta_(1) <= ... <= delta_(k) of a row and F_r = r / (k + 1), ordinary least squares of
log F (power law) and of log(-log F) (Gumbel) on log delta, after the first 5 % of the points are dropped.

Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262, and its released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# a = anchors, t = tail points

_MIN_SQUARES = 1e-12
_MIN_POINTS = 2
# Added to the residual squares of a law whose slope has the wrong sign, so that it cannot win.
_WRONG_SIGN = 1e6


@dataclass(frozen=True)
class TailRegressions:
    """Both regressions of every row.

    Attributes:
        slope: Slope of log F on log shortfall: the exponent of the power law.
        r_squared: Share of the variance of log F explained, in [0, 1].
        delta_aic: AIC of the Gumbel regression minus AIC of the power regression, as released. The two explain
            different responses, so this is no likelihood comparison.
        num_points: Points in each regression, of every row where they differ; below 2 there is no regression and the
            fields are 0.
    """

    slope: Float[Tensor, " a"]
    r_squared: Float[Tensor, " a"]
    delta_aic: Float[Tensor, " a"]
    num_points: int | Float[Tensor, " a"]

    @property
    def enough(self) -> bool | Bool[Tensor, " a"]:
        """Whether there is a regression, of every row where they differ."""
        return self.num_points >= _MIN_POINTS


def num_points(num_tail: int) -> int:
    """Return how many of a tail's points are left for the regressions."""
    return max(num_tail - max(1, num_tail // 20), 0)


@torch.no_grad()
def tail_regressions(shortfalls: Float[Tensor, "a t"]) -> TailRegressions:
    """Fit both laws to rows of shortfalls in rising order, each above 0."""
    num_tail = shortfalls.shape[1]
    num_left = num_points(num_tail)
    num_dropped = num_tail - num_left
    if num_left < _MIN_POINTS:
        nothing = shortfalls.new_zeros(len(shortfalls))
        return TailRegressions(nothing, nothing, nothing, num_left)
    ranks = torch.arange(1, num_tail + 1, device=shortfalls.device, dtype=shortfalls.dtype)
    log_share = (ranks / (num_tail + 1)).log()[num_dropped:]
    log_shortfall = shortfalls.log()[:, num_dropped:]
    centred = log_shortfall - log_shortfall.mean(dim=1, keepdim=True)
    return _both_laws(centred, [y - y.mean() for y in (log_share, (-log_share).log())], num_left)


@torch.no_grad()
def uneven_tail_regressions(shortfalls: Float[Tensor, "a t"], longest: Float[Tensor, ""]) -> TailRegressions:
    """Fit both laws to rows of shortfalls in rising order, of which those with fewer points end in infinity.

    Args:
        shortfalls: Each above 0.
        longest: How many of a row count at most: a number that only the device knows.
    """
    if shortfalls.shape[1] == 0:
        return tail_regressions(shortfalls)
    num_tail = shortfalls.isfinite().sum(dim=1, keepdim=True).minimum(longest.long())
    ranks = torch.arange(1, shortfalls.shape[1] + 1, device=shortfalls.device)
    counted = (ranks <= num_tail) & (ranks > (num_tail // 20).clamp_min(1))
    num_left = counted.sum(dim=1).to(shortfalls)
    share = torch.where(counted, ranks / (num_tail + 1).to(shortfalls), 0.5)
    log_shortfall = torch.where(counted, shortfalls, 1.0).log()
    x, *responses = (_centred(y, counted) for y in (log_shortfall, share.log(), (-share.log()).log()))
    fit, enough = _both_laws(x, responses, num_left), num_left >= _MIN_POINTS
    slope, r_squared, delta_aic = (torch.where(enough, part, 0.0) for part in (fit.slope, fit.r_squared, fit.delta_aic))
    return TailRegressions(slope, r_squared, delta_aic, num_left)


def _centred(values: Float[Tensor, "a t"], counted: Bool[Tensor, "a t"]) -> Float[Tensor, "a t"]:
    """Subtract the mean of the values that count; the others become 0, which adds nothing to any sum of products."""
    known = values.masked_fill(~counted, 0.0)
    return (known - known.sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True).clamp_min(1)).masked_fill(
        ~counted, 0.0
    )


def _both_laws(
    x: Float[Tensor, "a t"], responses: Sequence[Float[Tensor, "*a t"]], num_left: int | Float[Tensor, " a"]
) -> TailRegressions:
    """Regress the responses of the power and of the Gumbel law on x, all of them centred."""
    (slope, residual, total), (gumbel_slope, gumbel_residual, _) = (_least_squares(x, y) for y in responses)
    penalised = residual + _WRONG_SIGN * (slope <= 0)
    gumbel_penalised = gumbel_residual + _WRONG_SIGN * (gumbel_slope >= 0)
    # Both laws have two parameters, so the penalty terms of the two AICs cancel.
    delta_aic = num_left * (gumbel_penalised.log() - penalised.log())
    return TailRegressions(slope, (1.0 - residual / total).clamp(0.0, 1.0), delta_aic, num_left)


def _least_squares(
    x: Float[Tensor, "a t"], y: Float[Tensor, "*a t"]
) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"], Float[Tensor, "*a"]]:
    """Return slopes, residual sums of squares and the total sum of squares of y on every row of x, both centred."""
    slope = (x * y).sum(dim=1) / x.square().sum(dim=1).clamp_min(_MIN_SQUARES)
    residual = (y - slope.unsqueeze(1) * x).square().sum(dim=1)
    return slope, residual.clamp_min(_MIN_SQUARES), y.square().sum(dim=-1).clamp_min(_MIN_SQUARES)
