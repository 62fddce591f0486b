"""Weights of pairs that depend on their scores: a weight's logarithm is added to the logit."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.links.base import Link, per_row

# a = anchors


@final
@dataclass(frozen=True, eq=False)
class WeightedLink(Link):
    """`logit(s) + log weight(s)`.

    Attributes:
        logit: What is weighted.
        log_weight: Gives the logarithm of a pair's weight.
        detach: Whether the weight has no gradient.
    """

    logit: Link
    log_weight: Link
    detach: bool = True

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the weighted logits."""
        weighed = scores.detach() if self.detach else scores
        return self.logit(scores) + self.log_weight(weighed)


@final
@dataclass(frozen=True, eq=False)
class BellWeight(Link):
    """`-(s - centre)^2 / (2 width^2)`: keys near one hardness count most.

    Source: Wu et al. 2023, "Understanding Contrastive Learning via Distributionally Robust Optimization" (ADNCE),
    https://arxiv.org/abs/2310.11048.
    """

    centre: float
    width: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the logarithm of the weight, up to a constant."""
        return -0.5 * ((scores - self.centre) / self.width).square()


@final
@dataclass(frozen=True, eq=False)
class Moment(Link):
    """`(s - centre)^order`: not a logit but what a row's moments are sums of; order 0 counts a row's pairs."""

    order: int
    centre: Float[Tensor, " a"] | float = 0.0

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the centred power."""
        if self.order == 0:
            return torch.ones_like(scores)
        centred = (
            scores if isinstance(self.centre, float) and self.centre == 0.0 else scores - per_row(self.centre, scores)
        )
        return centred if self.order == 1 else centred**self.order
