"""Where the hardest negatives of a training's batch end: a few numbers, cheap enough for every line of the log."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.pairs import views_of
from anchorwise.tails.likelihood import hill_exponent, likelihood_delta_aic
from anchorwise.tails.negatives import Negatives, negatives_of

# n = images, d = embedding width

TAIL_FRACTION = 0.1
CLEAR_LEAD = 2.0


def tail_statistics(view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> dict[str, float]:
    """Return medians over the anchors of a batch; empty for a single image.

    `hardest_score` is the cosine of the hardest negative and `hardest_score_max` the largest in the batch;
    `tail_exponent` is Hill's exponent above mean + 1.28 sd of a row; `tail_evidence` is the AIC of the exponential law
    minus that of the shortfall law there, `tail_evidence_share` the share of anchors where it is above 2;
    `tail_temperature` is the temperature at which softmax is as steep at the hardest negative as the shortfall link.
    """
    return statistics_of(negatives_of(views_of(view0, view1).pooled()))


@torch.no_grad()
def statistics_of(negatives: Negatives) -> dict[str, float]:
    """Return the same of negatives that are there already."""
    if negatives.most_negatives == 0:
        return {}
    tail = negatives.exceedances(TAIL_FRACTION)
    exponent, evidence = hill_exponent(tail), likelihood_delta_aic(tail)
    hardest = tail.hardest_shortfall
    return {
        "hardest_score": 1.0 - hardest.median().item(),
        "hardest_score_max": 1.0 - hardest.min().item(),
        "tail_exponent": exponent.nanmedian().item(),
        "tail_evidence": evidence.median().item(),
        "tail_evidence_share": (evidence > CLEAR_LEAD).float().mean().item(),
        "tail_temperature": (hardest / exponent).nanmedian().item(),
    }
