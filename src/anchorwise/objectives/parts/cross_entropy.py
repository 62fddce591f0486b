"""The cross-entropy of an anchor's positive among its negatives, and the softmax link of a temperature."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _tensor_checks, engine
from anchorwise._precision import log_sum, softmax_nll
from anchorwise.links import Link, Parameter, SoftmaxLink
from anchorwise.pairs import Contrast

# a = anchors


def cross_entropy(
    contrast: Contrast,
    link: Link,
    positive_scores: Float[Tensor, " a"] | None = None,
    *,
    hardest: engine.Tail | None = None,
) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return the cross-entropy of every anchor's positive among its negatives, and the positives' scores.

    The loss is `-logit_positive + log(exp(logit_positive) + sum over negatives of exp(logit))`; scores are without
    gradient. Where they are not given, positives are the keys that the contrast says. With `hardest`, those are an
    anchor's only negatives, where all that the contrast says are without.
    """
    if hardest is None and positive_scores is None:
        return engine.cross_entropy_rows(contrast, link)
    scores = contrast.positive_scores if positive_scores is None else positive_scores
    log_negatives = engine.logsumexp_rows(contrast, link) if hardest is None else _logsumexp_at(contrast, link, hardest)
    return softmax_nll(link(scores), log_negatives), scores.detach()


def _logsumexp_at(contrast: Contrast, link: Link, hardest: engine.Tail) -> Float[Tensor, " a"]:
    if hardest.keys.shape[1] == 0:
        return torch.full_like(contrast.anchors[:, 0], -torch.inf)
    logits = link(engine.scores_at(contrast, hardest.keys))
    return log_sum(logits.masked_fill(hardest.scores == -torch.inf, -torch.inf))


def softmax_link(temperature: float, logit_scale: float | Tensor | None, like: Tensor) -> SoftmaxLink:
    """Return the link of an objective's own temperature, or of the scale that a call gives in its place."""
    if logit_scale is None:
        return SoftmaxLink(temperature)
    return SoftmaxLink(1.0, _tensor_checks.scale("logit_scale", logit_scale, like))


def temperature_of(softmax: SoftmaxLink) -> Parameter:
    """Return what the link divides by, all in all; a learnt scale below 1e-4 counts as 1e-4.

    There a loss in units of the temperature says nothing of scores any more; at 0 it would be not a number.
    """
    scale = softmax.scale
    return softmax.temperature / (scale.clamp_min(1e-4) if isinstance(scale, Tensor) else scale)
