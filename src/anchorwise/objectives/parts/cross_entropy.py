"""What objectives make of a contrast: sums over an anchor's negatives, and the cross-entropy of its positive."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise import _tensor_checks, engine
from anchorwise._precision import log_sum
from anchorwise.links import Link, Parameter, SoftmaxLink
from anchorwise.pairs import Contrast

# a = anchors, d = embedding width


def repulsion(contrast: Contrast, link: Link, *, hardest: engine.Tail | None = None) -> Float[Tensor, " a"]:
    """Return `log(sum over negatives of weight * exp(logit))` of every anchor; minus infinity where it has none.

    Args:
        contrast: Anchors, keys, and which of their pairs count.
        link: Turns scores into logits.
        hardest: Each anchor's only negatives, unweighted; None counts all that the contrast does.
    """
    if hardest is None:
        return engine.logsumexp_rows(contrast, link)
    if hardest.keys.shape[1] == 0:
        return torch.full_like(contrast.anchors[:, 0], -torch.inf)
    logits = link(engine.scores_at(contrast, hardest.keys))
    return log_sum(logits.masked_fill(hardest.scores == -torch.inf, -torch.inf))


def total(contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
    """Return the sum over negatives of `weight * link(score)` of every anchor."""
    return engine.sum_rows(contrast, link)


def mean_key(contrast: Contrast, link: Link) -> Float[Tensor, "a d"]:
    """Return the mean negative of every anchor under the softmax of its logits, without gradient."""
    return engine.attend_rows(contrast, contrast.keys, link)


def cross_entropy(
    contrast: Contrast, positive_scores: Float[Tensor, " a"], link: Link, *, hardest: engine.Tail | None = None
) -> Float[Tensor, " a"]:
    """Return `-logit_positive + log(exp(logit_positive) + sum over negatives of exp(logit))` of every anchor."""
    return against(link(positive_scores), repulsion(contrast, link, hardest=hardest))


def against(positive_logits: Float[Tensor, "*shape"], repulsion: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return `-p + log(exp(p) + exp(r))`, without its cancellation where the loss is small."""
    return -functional.logsigmoid(positive_logits - repulsion)


def softmax_link(temperature: float, logit_scale: float | Tensor | None, like: Tensor) -> SoftmaxLink:
    """Return the link of an objective's own temperature, or of the scale that a call gives in its place."""
    if logit_scale is None:
        return SoftmaxLink(temperature)
    return SoftmaxLink(1.0, _tensor_checks.scalar("logit_scale", logit_scale, like))


def temperature_of(softmax: SoftmaxLink) -> Parameter:
    """Return what the link divides by, all in all; a learnt scale below 1e-4 counts as 1e-4.

    There a loss in units of the temperature says nothing of scores any more; at 0 it would be not a number.
    """
    scale = softmax.scale
    return softmax.temperature / (scale.clamp_min(1e-4) if isinstance(scale, Tensor) else scale)
