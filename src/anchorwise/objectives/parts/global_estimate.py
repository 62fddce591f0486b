"""A loss over the whole data set, estimated from batches: what is remembered of every sample's denominator.

Source: Yuan et al. 2022, "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch Does Not Harm
Performance", Algorithm 1, https://arxiv.org/abs/2202.12387.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise._described import KeepsDigits
from anchorwise.objectives.parts.per_sample import log_mean_by_id, store
from anchorwise.pairs import num_same

# n = rows of a batch, v = views, a = anchors


class RunningDenominators(KeepsDigits):
    """Running means, over a sample's visits, of the mean exponential of its negatives: u of SogCLR, in log space.

    The table holds `temperature * log u`, which is in units of scores: the soft maximum of a sample's negatives. When
    the temperature changes between visits, u therefore becomes u^(old / new).

    Args:
        num_samples: Samples of the data set; ids are from 0 to num_samples - 1.
    """

    soft_maxima: Tensor
    seen: Tensor

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.register_buffer("soft_maxima", torch.zeros(num_samples))
        self.register_buffer("seen", torch.zeros(num_samples, dtype=torch.bool))

    @torch.no_grad()
    def forward(
        self,
        ids: Int[Tensor, " n"],
        log_estimates: Float[Tensor, "v n"],
        *,
        gamma: float,
        temperature: Float[Tensor, " n"],
    ) -> Float[Tensor, "v n"]:
        """Return log u of every view: the table's, moved to this batch's estimate with weight gamma.

        At a sample's first visit it is the estimate itself. In training mode the table keeps the mean of u over the
        views, and over the rows of a sample that is there several times; a value that is not finite is not kept.
        """
        seen = self.seen[ids]
        before = self.soft_maxima[ids].to(log_estimates) / temperature
        weight = log_estimates.new_full((), gamma)
        moved = torch.logaddexp((1.0 - weight).log() + before, weight.log() + log_estimates)
        log_u = torch.where(seen, moved, log_estimates)
        if self.training:
            log_mean = log_mean_by_id(ids, log_u.logsumexp(dim=0) - math.log(len(log_u)))
            self.seen[ids] = seen | store(self.soft_maxima, ids, temperature * log_mean)
        return log_u


def log_num_negatives(ids: Int[Tensor, " n"], like: Tensor) -> Float[Tensor, " a"]:
    """Return the logarithm of how many rows of both views are of other samples, for every row of both."""
    return (2 * (len(ids) - num_same(ids))).to(like).log().repeat(2)
