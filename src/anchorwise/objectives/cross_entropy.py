"""The loss that all softmax-type objectives share: cross-entropy of the positive against an anchor's negatives."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from anchorwise import engine
from anchorwise.links import Link
from anchorwise.pairs import TwoViews

# a = anchors, m = chosen negatives per anchor


def cross_entropy(views: TwoViews, link: Link, *, hardest: Int[Tensor, "a m"] | None = None) -> Float[Tensor, " a"]:
    """Return `-logit_positive + log(exp(logit_positive) + sum over negatives of exp(logit))` of every anchor.

    Args:
        views: The batch; an anchor's negatives are both views of all other images.
        link: Turns scores into logits.
        hardest: The rows that are each anchor's only negatives; None counts all of them.
    """
    if hardest is None:
        negatives = engine.logsumexp_rows(views.rows, views.rows, link=link, exclude=[views.same_image])
    elif hardest.shape[1] == 0:
        negatives = torch.full_like(views.positive_scores, -torch.inf)
    else:
        negatives = link(engine.scores_at(views.rows, views.rows, hardest)).logsumexp(dim=1)
    # Equal to the formula above, without its cancellation where the loss is small.
    return -functional.logsigmoid(link(views.positive_scores) - negatives)
