"""The exponential and the shortfall law on the same exceedances, by likelihood, in closed form.

With threshold shortfall delta_u, m exceedances of shortfalls delta and mean excess y = delta_u - mean delta:

    shortfall law   alpha = m / sum log(delta_u / delta)      logL = m log(alpha / delta_u) - (alpha - 1) m / alpha
    exponential     rate 1 / y                                logL = -m log y - m
    delta AIC = 2 (logL shortfall - logL exponential) = 2 m (log(alpha y / delta_u) + 1 / alpha)

Source: Hill 1975, "A simple general approach to inference about the tail of a distribution", Eq. 2.4, for alpha.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.links import MIN_SHORTFALL
from anchorwise.tails.exceedances import Exceedances

# a = anchors


@torch.no_grad()
def hill_exponent(tail: Exceedances) -> Float[Tensor, " a"]:
    """Return Hill's estimate of the shortfall law's exponent; not a number where a row has no exceedance."""
    total = tail.sum_log_ratio
    return torch.where(total > 0, tail.count / total.clamp_min(torch.finfo(total.dtype).tiny), torch.nan)


@torch.no_grad()
def likelihood_delta_aic(tail: Exceedances) -> Float[Tensor, " a"]:
    """Return AIC of the exponential law minus AIC of the shortfall law; 0 where a row has no exceedance.

    Positive favours the shortfall law. Both have one parameter and describe the same data, so this is twice the
    difference of log-likelihoods.
    """
    exponent, mean_excess = hill_exponent(tail), tail.mean_excess
    usable = exponent.isfinite() & (mean_excess > 0)
    alpha = torch.where(usable, exponent, 1.0)
    relative = torch.where(usable, mean_excess / tail.threshold_shortfall.clamp_min(MIN_SHORTFALL), 1.0)
    return torch.where(usable, 2.0 * tail.count * ((alpha * relative).log() + 1.0 / alpha), 0.0)


@torch.no_grad()
def exponential_log_likelihood(tail: Exceedances) -> Float[Tensor, " a"]:
    """Return the exponential law's log-likelihood of a row's exceedances at its maximum; 0 where a row has none."""
    return torch.where(tail.mean_excess > 0, -tail.count * (tail.mean_excess.log() + 1.0), 0.0)
