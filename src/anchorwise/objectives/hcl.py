"""HCL: hard negatives count more, and the positives hidden among them are taken off again.

Source: Robinson et al. 2020, "Contrastive Learning with Hard Negative Samples", https://arxiv.org/abs/2010.04592,
and its released code; beta 0 is Chuang et al. 2020, "Debiased Contrastive Learning",
https://arxiv.org/abs/2007.00224.
"""

import math
from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import SoftmaxLink, WeightedLink
from anchorwise.objectives.cross_entropy import against, repulsion, softmax_link
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Contrast, views_of

# n = images, d = embedding width, a = anchors


@final
class HCL(Objective):
    """Cross-entropy of the positive against a debiased, hardness-weighted sum over negatives, mean over the 2n anchors.

        R  = sum_k w_k exp(s_k / temperature) / mean_k w_k,   w_k = exp(beta s_k / temperature)
        Ng = max((R - positive_prior N exp(s_positive / temperature)) / (1 - positive_prior), N exp(-1 / temperature))
        loss = -log(exp(s_positive / temperature) / (exp(s_positive / temperature) + Ng))

    over the N = 2n - 2 negatives of both views. `beta=0` is the debiased loss, `beta=0, positive_prior=0` is InfoNCE.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        positive_prior: Probability that a negative is of the anchor's class (tau_plus), in [0, 1).
        beta: How much harder negatives count, at least 0.
        detach_weights: Whether w has no gradient; in the released code it has one.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids", "logit_scale"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        positive_prior: float = 0.1,
        beta: float = 1.0,
        detach_weights: bool = False,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.positive_prior = _checks.below_one("positive_prior", positive_prior)
        self.beta = _checks.at_least("beta", beta, 0.0)
        self.detach_weights = detach_weights

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the images.
            view1: Another view of them.
            ids: Whole numbers. Images of one id, such as duplicates, are no negatives of each other.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, view1, ids=ids)
        positive_scores = views.positive_scores
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        positives = softmax(positive_scores)
        hard = positives.new_full((), -torch.inf).expand_as(positives)
        if views.num_distinct > 1:
            log_number = (2 * views.num_others).to(positives).log().repeat(2)
            hard = hard_repulsion(views.pooled(), softmax, self.beta, log_number, detach_weights=self.detach_weights)
            hard = debiased(hard, positives, self.positive_prior, log_number, softmax)
        return mean_outcome(against(positives, hard), {"positive_score": positive_scores})


def hard_repulsion(
    contrast: Contrast,
    logit: SoftmaxLink,
    beta: float,
    log_number: Float[Tensor, " a"],
    *,
    detach_weights: bool = False,
) -> Float[Tensor, " a"]:
    """Return log R; `log_number` is the logarithm of every anchor's number of negatives."""
    if beta == 0.0:
        return repulsion(contrast, logit)
    log_weight = SoftmaxLink(logit.temperature / beta, logit.scale)
    weighted = repulsion(contrast, WeightedLink(logit, log_weight, detach=detach_weights))
    total = repulsion(contrast, log_weight)
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
    log_share = math.log(positive_prior) + log_number + positives - log_sum
    # Where nothing is left neither its power, which may be infinite, nor the logarithm is taken: nor are gradients.
    some_left = ~(log_share >= 0.0)
    share = torch.where(some_left, log_share, -torch.inf).exp()
    left = log_sum + torch.log1p(-share) - math.log1p(-positive_prior)
    return torch.where(some_left, left.clamp_min(floor), floor)
