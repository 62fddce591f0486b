"""The obvious backend: the whole score matrix in memory, one line per step. The oracle of every other backend."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise._precision import log_sum, products
from anchorwise.engine.left_out import fill_left_out_, left_out
from anchorwise.engine.request import Backend, Request, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.whole_rows import (
    cross_entropies,
    log_sums,
    scores_of,
    shortfalls_of_pairs,
    values_of,
)
from anchorwise.links import Link, shortfall
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
        if contrast.weight is None:
            return log_sums(contrast, link)
        logits, gone = _logits(contrast, link)
        return log_sum(logits, left_out=gone)

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        terms = link(scores_of(contrast)).masked_fill(left_out(contrast), 0.0)
        if contrast.weight is not None:
            terms = terms * _log_weights(contrast.weight, terms).exp()
        return terms.sum(dim=1)

    # Not decorated with no_grad: torch 2.11 cannot compile a bound method that is decorated.
    def attend_rows(self, contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        with torch.no_grad():
            logits, gone = _logits(contrast, link)
            shares = logits.masked_fill(gone, torch.finfo(logits.dtype).min).softmax(dim=1)
            return products(shares.masked_fill(gone, 0.0), values.T)

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
            widest = shortfall(threshold, endpoint)
            # What does not count, and what is no exceedance, is put at the threshold, where it adds nothing.
            found = torch.minimum(shortfalls_of_pairs(contrast, endpoint), widest.unsqueeze(1))
            found = fill_left_out_(found, contrast, widest)
            excess = widest.unsqueeze(1) - found
            return ExceedanceSums(
                sum_log_ratio=(widest.unsqueeze(1) / found).log_().sum(dim=1),
                sum_excess=excess.sum(dim=1),
                count=excess.sign_().sum(dim=1),
                largest_score=_largest_score(contrast),
            )

    def moment_rows(self, contrast: Contrast) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
        """Return mean and standard deviation of every row's scores that count."""
        with torch.no_grad():
            number, mean, entries = _at_their_mean(contrast)
            return mean, torch.linalg.vector_norm(entries - mean.unsqueeze(1), dim=1) / number**0.5

    def cross_entropy_rows(self, contrast: Contrast, link: Link) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
        """Return the cross-entropies of positives, read off the score matrix, and the positives' scores."""
        return cross_entropies(contrast, link)


def _logits(contrast: Contrast, link: Link) -> tuple[Float[Tensor, "a k"], Bool[Tensor, "a k"]]:
    """Return logits, and which of them do not count: none of the others is infinite."""
    logits, gone = link(scores_of(contrast)), left_out(contrast)
    if contrast.weight is None:
        return logits, gone
    log_weights = _log_weights(contrast.weight, logits)
    return logits + log_weights, gone | (log_weights == -torch.inf)


def _counted_scores(contrast: Contrast) -> Float[Tensor, "a k"]:
    return fill_left_out_(values_of(contrast).clone(), contrast, -torch.inf)


def _at_their_mean(contrast: Contrast) -> tuple[int | Tensor, Float[Tensor, " a"], Float[Tensor, "a k"]]:
    """Return how many scores of a row count, their mean, and all scores, those that do not count put at the mean."""

    def make() -> tuple[int | Tensor, Tensor, Tensor]:
        entries = fill_left_out_(values_of(contrast).clone(), contrast, 0.0)
        if contrast.num_excluded is None:
            number = (~left_out(contrast)).sum(dim=1).to(entries).clamp_min(1.0)
        else:
            number = max(entries.shape[1] - contrast.num_excluded, 1)
        mean = entries.sum(dim=1) / number
        return number, mean, fill_left_out_(entries, contrast, mean)

    return contrast.once("at_their_mean", make)


def _largest_score(contrast: Contrast) -> Float[Tensor, " a"]:
    if contrast.num_excluded is not None and contrast.num_excluded < len(contrast.keys):
        return _at_their_mean(contrast)[2].amax(dim=1)  # No row is empty, and a mean is not above all of a row.
    return _counted_scores(contrast).amax(dim=1)


@torch.no_grad()
def _log_weights(weight: PairWeight, like: Tensor) -> Tensor:
    return weight.log_weights(weight.anchor_values, weight.key_values).to(like)
