"""The obvious backend: the whole score matrix in memory, one line per step. The oracle of every other backend."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise.links import MIN_SHORTFALL, Link
from anchorwise.pairs import PairWeight, SameId

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points


@dataclass(frozen=True)
class Tail:
    """The largest scores of every row, in falling order, and the keys they belong to.

    A row with fewer keys than asked for is filled with minus infinity.
    """

    scores: Float[Tensor, "a t"]
    keys: Int[Tensor, "a t"]


@dataclass(frozen=True)
class ExceedanceSums:
    """Sums over the scores of a row that lie above its threshold; sums of parts of a row add up to the row's.

    `count` counts the exceedances and `num_at_endpoint` those left out of it because their shortfall is below
    `MIN_SHORTFALL`: exact duplicates are false negatives, not tail. `largest_score` is the row's, whether above the
    threshold or not; minus infinity where no key is left.
    """

    count: Float[Tensor, " a"]
    sum_log_shortfall: Float[Tensor, " a"]
    sum_shortfall: Float[Tensor, " a"]
    num_at_endpoint: Float[Tensor, " a"]
    largest_score: Float[Tensor, " a"]


def logsumexp_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
    weight: PairWeight | None = None,
) -> Float[Tensor, " a"]:
    """Return log(sum over keys of weight * exp(link(score))) per anchor.

    It is minus infinity, without gradient, where no key is left.

    Args:
        anchors: Unit rows.
        keys: Unit rows.
        link: Turns a row's scores into logits.
        exclude: Pairs that do not count.
        weight: Weights of pairs; None weighs all alike.
    """
    logits = link(_scores(anchors, keys)).masked_fill(_excluded(exclude, anchors, keys), -torch.inf)
    if weight is not None:
        logits = logits + _log_weights(weight).to(logits)
    # The gradient of the logsumexp of an empty row would be nan.
    empty = (logits == -torch.inf).all(dim=1)
    return logits.masked_fill(empty.unsqueeze(1), 0.0).logsumexp(dim=1).masked_fill(empty, -torch.inf)


def sum_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
    only: SameId | None = None,
    weight: PairWeight | None = None,
) -> Float[Tensor, " a"]:
    """Return the sum over keys of weight * link(score) per anchor; 0 where no key is left.

    Args:
        anchors: Unit rows.
        keys: Unit rows.
        link: Gives what is summed.
        exclude: Pairs that do not count.
        only: The only pairs that count; None counts all that are not excluded.
        weight: Weights of pairs; None weighs all alike.
    """
    left_out = _excluded(exclude, anchors, keys)
    if only is not None:
        left_out |= only.anchor_ids.unsqueeze(1) != only.key_ids
    terms = link(_scores(anchors, keys)).masked_fill(left_out, 0.0)
    if weight is not None:
        terms = terms * _log_weights(weight).exp().to(terms)
    return terms.sum(dim=1)


def attend_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    values: Float[Tensor, "k e"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
) -> Float[Tensor, "a e"]:
    """Return the mean of the values per anchor, weighted by the softmax of link(score); 0 where no key is left."""
    logits = link(_scores(anchors, keys)).masked_fill(_excluded(exclude, anchors, keys), -torch.inf)
    empty = (logits == -torch.inf).all(dim=1, keepdim=True)
    shares = logits.masked_fill(empty, 0.0).softmax(dim=1).masked_fill(empty, 0.0)
    with torch.autocast(anchors.device.type, enabled=False):
        return shares @ values


def scores_at(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
) -> Float[Tensor, "a t"]:
    """Return the scores of every anchor with its own chosen keys, with gradient."""
    return (anchors.unsqueeze(1) * keys[chosen]).sum(dim=2)


@torch.no_grad()
def tail_rows(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], *, num_tail: int, exclude: Sequence[SameId] = ()
) -> Tail:
    """Return the `num_tail` largest scores of every row, without gradient."""
    scores = _scores(anchors, keys).masked_fill(_excluded(exclude, anchors, keys), -torch.inf)
    return Tail(*scores.topk(num_tail, dim=1))


@torch.no_grad()
def pooled_tail(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], *, num_tail: int, exclude: Sequence[SameId] = ()
) -> Float[Tensor, " t"]:
    """Return the `num_tail` largest scores of all rows together in falling order, without gradient."""
    scores = _scores(anchors, keys).masked_fill(_excluded(exclude, anchors, keys), -torch.inf)
    return scores.flatten().topk(num_tail).values


@torch.no_grad()
def exceedance_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    threshold: Float[Tensor, " a"],
    endpoint: float,
    exclude: Sequence[SameId] = (),
) -> ExceedanceSums:
    """Return sums over the scores above each row's threshold, without gradient; `endpoint` is where scores end."""
    scores = _scores(anchors, keys).masked_fill(_excluded(exclude, anchors, keys), -torch.inf)
    above = scores > threshold.unsqueeze(1)
    shortfalls = endpoint - scores
    counted = above & (shortfalls >= MIN_SHORTFALL)
    return ExceedanceSums(
        count=counted.sum(dim=1).to(scores.dtype),
        sum_log_shortfall=torch.where(counted, shortfalls, 1.0).log().sum(dim=1),
        sum_shortfall=torch.where(counted, shortfalls, 0.0).sum(dim=1),
        num_at_endpoint=(above & ~counted).sum(dim=1).to(scores.dtype),
        largest_score=scores.amax(dim=1),
    )


def _scores(anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"]) -> Float[Tensor, "a k"]:
    # Autocast would round the scores to half precision, where 1 - s has no digits left near the endpoint.
    with torch.autocast(anchors.device.type, enabled=False):
        scores = anchors @ keys.T
    # Matrix products round s_ij and s_ji apart; two rows that are each other's hardest negative must stay equally near.
    return scores.triu() + scores.triu(1).T if keys is anchors else scores


@torch.no_grad()
def _log_weights(weight: PairWeight) -> Float[Tensor, "a k"]:
    return weight.log_weights(weight.anchor_values, weight.key_values)


def _excluded(exclude: Sequence[SameId], anchors: Tensor, keys: Tensor) -> Bool[Tensor, "a k"]:
    excluded = torch.zeros(len(anchors), len(keys), dtype=torch.bool, device=anchors.device)
    for pairs in exclude:
        excluded |= pairs.anchor_ids.unsqueeze(1) == pairs.key_ids
    return excluded
