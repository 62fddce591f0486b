"""The obvious backend: the whole score matrix in memory, one line per step. The oracle of every other backend."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise._precision import log_sum, products
from anchorwise.engine.base import Backend, Keys, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.links import MIN_SHORTFALL, Link

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points


@final
@dataclass(frozen=True)
class Dense(Backend):
    """Memory of several times anchors times keys; differentiable any number of times. Ranks compute the same."""

    def logsumexp_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of weight * exp(link(score)))."""
        if keys.watch is not None:
            keys.watch.sums = self.exceedance_rows(anchors, keys, keys.watch.threshold, keys.watch.endpoint)
        return log_sum(_logits(anchors, keys, link))

    def sum_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        terms = link(_scores(anchors, keys)).masked_fill(_left_out(anchors, keys), 0.0)
        return (terms * _log_weights(keys, terms).exp()).sum(dim=1)

    @torch.no_grad()
    def attend_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, values: Float[Tensor, "k e"], link: Link
    ) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        logits = _logits(anchors, keys, link)
        empty = (logits == -torch.inf).all(dim=1, keepdim=True)
        return products(logits.softmax(dim=1).masked_fill(empty, 0.0), values.T)

    def scores_at(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
    ) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with its chosen keys."""
        return (anchors.unsqueeze(1) * keys[chosen]).sum(dim=2)

    @torch.no_grad()
    def tail_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        return Tail(*_counted_scores(anchors, keys).topk(num_tail, dim=1))

    def tail_summaries(
        self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int, summary: Summary
    ) -> Float[Tensor, "a s"]:
        """Return the summary of all tails."""
        with torch.no_grad():
            return summary(_counted_scores(anchors, keys).topk(num_tail, dim=1).values)

    @torch.no_grad()
    def pooled_tail(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        return _counted_scores(anchors, keys).flatten().topk(num_tail).values

    @torch.no_grad()
    def exceedance_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, threshold: Float[Tensor, " a"], endpoint: float
    ) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        shortfalls = endpoint - _counted_scores(anchors, keys)
        widest = (endpoint - threshold).unsqueeze(1)
        above, at_endpoint = shortfalls < widest, shortfalls < MIN_SHORTFALL
        counted = above & ~at_endpoint
        return ExceedanceSums(
            count=counted.sum(dim=1).to(shortfalls.dtype),
            sum_log_ratio=torch.where(counted, widest / shortfalls, 1.0).log().sum(dim=1),
            sum_excess=torch.where(counted, widest - shortfalls, 0.0).sum(dim=1),
            num_at_endpoint=(above & at_endpoint).sum(dim=1).to(shortfalls.dtype),
            largest_score=endpoint - shortfalls.amin(dim=1),
        )


def _scores(anchors: Float[Tensor, "a d"], keys: Keys) -> Float[Tensor, "a k"]:
    scores = products(anchors, keys.rows)
    # Matrix products round s_ij and s_ji apart; two rows that are each other's hardest negative must stay equally near.
    return scores.triu() + scores.triu(1).T if keys.rows is anchors else scores


def _logits(anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, "a k"]:
    """Return logits, minus infinity where pairs do not count."""
    logits = link(_scores(anchors, keys)).masked_fill(_left_out(anchors, keys), -torch.inf)
    return logits + _log_weights(keys, logits)


def _counted_scores(anchors: Float[Tensor, "a d"], keys: Keys) -> Float[Tensor, "a k"]:
    return _scores(anchors, keys).masked_fill(_left_out(anchors, keys), -torch.inf)


@torch.no_grad()
def _log_weights(keys: Keys, like: Tensor) -> Tensor:
    if keys.weight is None:
        return like.new_zeros(())
    return keys.weight.log_weights(keys.weight.anchor_values, keys.weight.key_values).to(like)


def _left_out(anchors: Float[Tensor, "a d"], keys: Keys) -> Bool[Tensor, "a k"]:
    left_out = torch.zeros(len(anchors), len(keys.rows), dtype=torch.bool, device=anchors.device)
    for pairs in keys.exclude:
        left_out |= pairs.anchor_ids.unsqueeze(1) == pairs.key_ids
    if keys.only is not None:
        left_out |= keys.only.anchor_ids.unsqueeze(1) != keys.only.key_ids
    return left_out
