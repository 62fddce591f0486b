"""The obvious backend: the whole score matrix in memory, one line per step. The oracle of every other backend."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise._precision import log_sum, products
from anchorwise.engine.request import Backend, Request, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.links import MIN_SHORTFALL, Link
from anchorwise.pairs import Contrast

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points


@final
@dataclass(frozen=True)
class Dense(Backend):
    """Memory of several times anchors times keys; differentiable any number of times. Ranks compute the same."""

    is_traceable: ClassVar[bool] = True

    def supports(self, request: Request) -> bool:
        """Return True: it computes everything."""
        return True

    def suits(self, request: Request) -> bool:
        """Return True: what no other backend is faster at is computed here."""
        return True

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of weight * exp(link(score)))."""
        return log_sum(_logits(contrast, link))

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        terms = link(_scores(contrast)).masked_fill(_left_out(contrast), 0.0)
        return (terms * _log_weights(contrast, terms).exp()).sum(dim=1)

    # Not decorated with no_grad: torch 2.11 cannot compile a bound method that is decorated.
    def attend_rows(self, contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        with torch.no_grad():
            logits = _logits(contrast, link)
            empty = (logits == -torch.inf).all(dim=1, keepdim=True)
            return products(logits.softmax(dim=1).masked_fill(empty, 0.0), values.T)

    def scores_at(self, contrast: Contrast, index: Int[Tensor, "a t"]) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with keys of its own."""
        return (contrast.anchors.unsqueeze(1) * contrast.keys[index]).sum(dim=2)

    def tail_rows(self, contrast: Contrast, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        with torch.no_grad():
            return Tail(*_counted_scores(contrast).topk(num_tail, dim=1))

    def tail_summaries(self, contrast: Contrast, num_tail: int, summary: Summary) -> Float[Tensor, "a s"]:
        """Return the summary of all tails."""
        with torch.no_grad():
            return summary(_counted_scores(contrast).topk(num_tail, dim=1).values)

    def pooled_tail(self, contrast: Contrast, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        with torch.no_grad():
            return _counted_scores(contrast).flatten().topk(num_tail).values

    def exceedance_rows(self, contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        with torch.no_grad():
            shortfalls = endpoint - _counted_scores(contrast)
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


def _scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    scores = products(contrast.anchors, contrast.keys)
    # Matrix products round s_ij and s_ji apart; two rows that are each other's hardest negative must stay equally near.
    return scores.triu() + scores.triu(1).T if contrast.is_symmetric else scores


def _logits(contrast: Contrast, link: Link) -> Float[Tensor, "a k"]:
    """Return logits, minus infinity where pairs do not count."""
    logits = link(_scores(contrast)).masked_fill(_left_out(contrast), -torch.inf)
    return logits + _log_weights(contrast, logits)


def _counted_scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    return _scores(contrast).masked_fill(_left_out(contrast), -torch.inf)


@torch.no_grad()
def _log_weights(contrast: Contrast, like: Tensor) -> Tensor:
    weight = contrast.weight
    if weight is None:
        return like.new_zeros(())
    return weight.log_weights(weight.anchor_values, weight.key_values).to(like)


def _left_out(contrast: Contrast) -> Bool[Tensor, "a k"]:
    shape = (len(contrast.anchors), len(contrast.keys))
    left_out = torch.zeros(shape, dtype=torch.bool, device=contrast.anchors.device)
    for same in contrast.exclude:
        left_out |= same.anchor_ids.unsqueeze(1) == same.key_ids
    if contrast.only is not None:
        left_out |= contrast.only.anchor_ids.unsqueeze(1) != contrast.only.key_ids
    return left_out
