"""The obvious backend: the whole score matrix in memory, one line per step. The oracle of every other backend."""

from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise._precision import log_sum, products
from anchorwise.engine.request import Backend, Request, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.links import MIN_SHORTFALL, Link
from anchorwise.pairs import Contrast, PairWeight

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
        logits, left_out = _logits(contrast, link)
        return log_sum(logits, left_out=left_out)

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        terms = link(_scores(contrast)).masked_fill(_left_out(contrast), 0.0)
        if contrast.weight is not None:
            terms = terms * _log_weights(contrast.weight, terms).exp()
        return terms.sum(dim=1)

    # Not decorated with no_grad: torch 2.11 cannot compile a bound method that is decorated.
    def attend_rows(self, contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        with torch.no_grad():
            logits, left_out = _logits(contrast, link)
            shares = logits.masked_fill(left_out, torch.finfo(logits.dtype).min).softmax(dim=1)
            return products(shares.masked_fill(left_out, 0.0), values.T)

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
            scores = _counted_scores(contrast)
            widest = (endpoint - threshold).unsqueeze(1)
            shortfalls = torch.threshold_(endpoint - scores, MIN_SHORTFALL, torch.inf)
            ratios, excess = widest / shortfalls, torch.relu_(widest - shortfalls)
            return ExceedanceSums(
                sum_log_ratio=ratios.clamp_min_(1.0).log_().sum(dim=1),
                sum_excess=excess.sum(dim=1),
                count=excess.sign_().sum(dim=1),
                largest_score=scores.amax(dim=1),
            )


def _scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    # Statistics, which have no gradient, may be the first to ask for what the loss then has one by.
    with torch.enable_grad():
        scores = contrast.once("scores", lambda: products(contrast.anchors, contrast.keys))
    return scores if torch.is_grad_enabled() else scores.detach()


def _logits(contrast: Contrast, link: Link) -> tuple[Float[Tensor, "a k"], Bool[Tensor, "a k"]]:
    """Return logits, and which of them do not count: none of the others is infinite."""
    logits, left_out = link(_scores(contrast)), _left_out(contrast)
    if contrast.weight is None:
        return logits, left_out
    log_weights = _log_weights(contrast.weight, logits)
    return logits + log_weights, left_out | (log_weights == -torch.inf)


def _counted_scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    return _scores(contrast).masked_fill(_left_out(contrast), -torch.inf)


@torch.no_grad()
def _log_weights(weight: PairWeight, like: Tensor) -> Tensor:
    return weight.log_weights(weight.anchor_values, weight.key_values).to(like)


def _left_out(contrast: Contrast) -> Bool[Tensor, "a k"]:
    return contrast.once("left_out", lambda: _mask(contrast))


def _mask(contrast: Contrast) -> Bool[Tensor, "a k"]:
    masks = [same.anchor_ids.unsqueeze(1) == same.key_ids for same in contrast.exclude]
    if contrast.only is not None:
        masks.append(contrast.only.anchor_ids.unsqueeze(1) != contrast.only.key_ids)
    if not masks:
        shape = (len(contrast.anchors), len(contrast.keys))
        return contrast.anchors.new_zeros(shape, dtype=torch.bool)
    return reduce(torch.logical_or, masks)
