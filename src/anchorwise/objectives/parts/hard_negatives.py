"""A sum over negatives in which hard ones count more, and the positives hidden among them are taken off again.

Source: Robinson et al. 2020, "Contrastive Learning with Hard Negative Samples", https://arxiv.org/abs/2010.04592,
and its released code.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import engine
from anchorwise.links import SoftmaxLink, WeightedLink
from anchorwise.pairs import Contrast

# a = anchors


def log_hard_negatives(
    contrast: Contrast,
    logit: SoftmaxLink,
    beta: float,
    log_number: Float[Tensor, " a"],
    *,
    detach_weights: bool = False,
) -> Float[Tensor, " a"]:
    """Return log R; `log_number` is the logarithm of every anchor's number of negatives.

    It is minus infinity where an anchor has none.
    """
    if beta == 0.0:
        return engine.logsumexp_rows(contrast, logit)
    log_weight = SoftmaxLink(logit.temperature / beta, logit.scale)
    weighted = engine.logsumexp_rows(contrast, WeightedLink(logit, log_weight, detach=detach_weights))
    total = lowest_finite(engine.logsumexp_rows(contrast, log_weight))
    return weighted - (total.detach() if detach_weights else total) + log_number


def debiased(
    log_sum: Float[Tensor, " a"],
    positives: Float[Tensor, " a"],
    positive_prior: float,
    log_number: Float[Tensor, " a"],
    logit: SoftmaxLink,
) -> Float[Tensor, " a"]:
    """Return the logarithm of Ng; where its floor acts there is no gradient."""
    floor = log_number + logit(torch.full_like(log_number, -1.0))
    if positive_prior == 0.0:
        return log_sum.clamp_min(floor)
    log_share = math.log(positive_prior) + log_number + positives - lowest_finite(log_sum)
    # Where nothing is left neither its power, which may be infinite, nor the logarithm is taken: nor are gradients.
    some_left = ~(log_share >= 0.0)
    share = torch.where(some_left, log_share, -torch.inf).exp()
    left = log_sum + torch.log1p(-share) - math.log1p(-positive_prior)
    return torch.where(some_left, left.clamp_min(floor), floor)


def lowest_finite(log_sum: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
    """Return log-sums with the lowest finite number for minus infinity: what they are subtracted from stays as it is.

    An anchor without negatives has minus infinity in every logarithm, and their difference would be not a number.
    """
    return log_sum.clamp_min(torch.finfo(log_sum.dtype).min)
