"""The regressions by which the WEINCE release reads a tail.

With the k smallest shortfalls delta_(1) <= ... <= delta_(k) of a row and F_r = r / (k + 1), ordinary least squares of
log F (power law) and of log(-log F) (Gumbel) on log delta, after the first 5 % of the points are dropped.

Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262, and its released code.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
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
        num_points: Points in each regression; below 2 there is no regression and the fields are 0.
    """

    slope: Float[Tensor, " a"]
    r_squared: Float[Tensor, " a"]
    delta_aic: Float[Tensor, " a"]
    num_points: int

    @property
    def exists(self) -> bool:
        """Whether there were points enough for a regression."""
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
    slope, residual, total = _least_squares(log_shortfall, log_share)
    gumbel_slope, gumbel_residual, _ = _least_squares(log_shortfall, (-log_share).log())
    penalised = residual + _WRONG_SIGN * (slope <= 0)
    gumbel_penalised = gumbel_residual + _WRONG_SIGN * (gumbel_slope >= 0)
    # Both laws have two parameters, so the penalty terms of the two AICs cancel.
    delta_aic = num_left * (gumbel_penalised.log() - penalised.log())
    return TailRegressions(slope, (1.0 - residual / total).clamp(0.0, 1.0), delta_aic, num_left)


def _least_squares(
    x: Float[Tensor, "a t"], y: Float[Tensor, " t"]
) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"], Float[Tensor, ""]]:
    """Return slopes, residual sums of squares and the total sum of squares of y on every row of x."""
    centred_x, centred_y = x - x.mean(dim=1, keepdim=True), y - y.mean()
    slope = (centred_x * centred_y).sum(dim=1) / centred_x.square().sum(dim=1).clamp_min(_MIN_SQUARES)
    residual = (centred_y - slope.unsqueeze(1) * centred_x).square().sum(dim=1)
    return slope, residual.clamp_min(_MIN_SQUARES), centred_y.square().sum().clamp_min(_MIN_SQUARES)
