"""Positives one by one, each against the same negatives of its anchor and against no other positive."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise._precision import softmax_nll
from anchorwise.links import Link
from anchorwise.links.base import per_row

# n = samples, a = anchors, k = keys


@final
@dataclass(frozen=True, eq=False)
class AgainstNegatives(Link):
    """`-p + log(exp(p) + exp(r))` of a positive of logit p, with r the log-sum of its anchor's negatives.

    Attributes:
        logit: Turns a score into p.
        log_negatives: r of every anchor.
    """

    logit: Link
    log_negatives: Float[Tensor, " a"]

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the cross-entropies of positives with these scores."""
        logits = self.logit(scores)
        return softmax_nll(logits - per_row(self.log_negatives, logits), torch.zeros_like(logits))


def num_with(labels: Int[Tensor, " k"], wanted: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return how many of the labels are each wanted one."""
    rising = labels.sort().values
    return torch.searchsorted(rising, wanted, right=True) - torch.searchsorted(rising, wanted)
