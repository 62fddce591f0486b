"""The exponential and the shortfall law on the same exceedances, by likelihood, in closed form.

With threshold shortfall delta_u, m exceedances of shortfalls delta and mean excess y = delta_u - mean delta:

    shortfall law   alpha = m / sum log(delta_u / delta)      logL = m log(alpha / delta_u) - (alpha - 1) m / alpha
    exponential     rate 1 / y                                logL = -m log y - m
    delta AIC = 2 (logL shortfall - logL exponential) = 2 (m log(E / L) + L)

with L = sum log(delta_u / delta) and E = m y / delta_u = sum (1 - delta / delta_u), which is never above L.

Source: Hill 1975, "A simple general approach to inference about the tail of a distribution", Eq. 2.4, for alpha.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.tails.tail_sums import TailSums

# a = anchors


@torch.no_grad()
def hill_exponent(tail: TailSums) -> Float[Tensor, " a"]:
    """Return Hill's estimate of the shortfall law's exponent; not a number where a row has no exceedance."""
    return tail.count / torch.threshold(tail.sum_log_ratio, 0.0, torch.nan)


@torch.no_grad()
def likelihood_delta_aic(tail: TailSums) -> Float[Tensor, " a"]:
    """Return AIC of the exponential law minus AIC of the shortfall law; 0 where a row has no exceedance.

    Positive favours the shortfall law. Both have one parameter and describe the same data, so this is twice the
    difference of log-likelihoods.
    """
    total = tail.sum_log_ratio
    ratio = tail.sum_relative_excess / total.clamp_min(torch.finfo(total.dtype).tiny)
    return 2.0 * (torch.special.xlogy(tail.count, ratio.clamp_max(1.0)) + total)


@torch.no_grad()
def exponential_log_likelihood(tail: TailSums) -> Float[Tensor, " a"]:
    """Return the exponential law's log-likelihood of a row's exceedances at its maximum; 0 where a row has none."""
    return torch.where(tail.mean_excess > 0, -tail.count * (tail.mean_excess.log() + 1.0), 0.0)
