"""The engine's calls: what is computed, whatever computes it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._ranks import Ranks
from anchorwise.engine.backend import backend_for
from anchorwise.engine.base import Backend, Keys, Summary
from anchorwise.engine.dense import Dense
from anchorwise.engine.results import ExceedanceSums, Tail, Watch
from anchorwise.links import Link
from anchorwise.pairs import PairWeight, SameId

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points, s = statistics


def logsumexp_rows(  # noqa: PLR0913  # What a request is made of, one by one.
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
    only: SameId | None = None,
    weight: PairWeight | None = None,
    ranks: Ranks | None = None,
    watch: Watch | None = None,
) -> Float[Tensor, " a"]:
    """Return log(sum over keys of weight * exp(link(score))) per anchor.

    It is minus infinity, without gradient, where no key is left.

    Args:
        anchors: Unit rows, float32 or float64.
        keys: Unit rows; pass the same tensor where the anchors are the keys, and every score is computed once.
        link: Turns a row's scores into logits.
        exclude: Pairs that do not count.
        only: The only pairs that count; None counts all that are not excluded.
        weight: Weights of pairs; None weighs all alike.
        ranks: The processes that hold the same rows and share the work; None where this one is alone.
        watch: Filled with the sums of `exceedance_rows`, without a pass of its own over the scores.

    Raises:
        ValueError: If widths, dtypes, devices or numbers of ids do not fit each other.
        TypeError: If rows are in half precision.
    """
    given = _given(anchors, Keys(keys, exclude, only, weight, ranks, watch))
    return _computed(backend_for(anchors, keys), "logsumexp_rows", anchors, given, link)


def sum_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
    only: SameId | None = None,
    weight: PairWeight | None = None,
    ranks: Ranks | None = None,
) -> Float[Tensor, " a"]:
    """Return the sum over keys of weight * link(score) per anchor; 0 where no key is left.

    Args:
        anchors: Unit rows.
        keys: Unit rows.
        link: Gives what is summed.
        exclude: Pairs that do not count.
        only: The only pairs that count; None counts all that are not excluded.
        weight: Weights of pairs; None weighs all alike.
        ranks: As for `logsumexp_rows`.

    Raises:
        ValueError: If widths, dtypes, devices or numbers of ids do not fit each other.
    """
    given = _given(anchors, Keys(keys, exclude, only, weight, ranks))
    return _computed(backend_for(anchors, keys), "sum_rows", anchors, given, link)


def attend_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    values: Float[Tensor, "k e"],
    *,
    link: Link,
    exclude: Sequence[SameId] = (),
    ranks: Ranks | None = None,
) -> Float[Tensor, "a e"]:
    """Return the mean of the values per anchor, weighted by the softmax of link(score), without gradient.

    It is 0 where no key is left.
    """
    given = _given(anchors, Keys(keys, exclude, ranks=ranks))
    return _computed(backend_for(anchors, keys), "attend_rows", anchors, given, values, link)


def scores_at(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
) -> Float[Tensor, "a t"]:
    """Return the scores of every anchor with its own chosen keys, with gradient."""
    whole = _tensor_checks.whole_numbers("chosen", chosen)
    return _computed(backend_for(anchors, keys), "scores_at", anchors, keys, whole)


def tail_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    num_tail: int,
    exclude: Sequence[SameId] = (),
    ranks: Ranks | None = None,
) -> Tail:
    """Return the `num_tail` largest scores of every row and their keys, without gradient."""
    return _computed(
        backend_for(anchors, keys), "tail_rows", anchors, _given(anchors, Keys(keys, exclude, ranks=ranks)), num_tail
    )


def tail_summaries(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    num_tail: int,
    summary: Summary,
    exclude: Sequence[SameId] = (),
    ranks: Ranks | None = None,
) -> Float[Tensor, "a s"]:
    """Return what `summary` makes of the `num_tail` largest scores of every row, without gradient.

    Unlike the tails of all rows, which are a share of the score matrix, the result needs memory of a few numbers a row.

    Args:
        anchors: Unit rows.
        keys: Unit rows.
        num_tail: Scores of every row, at least 1 and at most those that count.
        summary: Takes the largest scores of some rows in falling order, and returns as many numbers for each row.
        exclude: Pairs that do not count.
        ranks: As for `logsumexp_rows`.
    """
    given = _given(anchors, Keys(keys, exclude, ranks=ranks))
    return _computed(backend_for(anchors, keys), "tail_summaries", anchors, given, num_tail, summary)


def pooled_tail(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    num_tail: int,
    exclude: Sequence[SameId] = (),
    ranks: Ranks | None = None,
) -> Float[Tensor, " t"]:
    """Return the `num_tail` largest scores of all rows together in falling order, without gradient."""
    return _computed(
        backend_for(anchors, keys), "pooled_tail", anchors, _given(anchors, Keys(keys, exclude, ranks=ranks)), num_tail
    )


def exceedance_rows(
    anchors: Float[Tensor, "a d"],
    keys: Float[Tensor, "k d"],
    *,
    threshold: Float[Tensor, " a"],
    endpoint: float,
    exclude: Sequence[SameId] = (),
    ranks: Ranks | None = None,
) -> ExceedanceSums:
    """Return sums over the scores above each row's threshold, without gradient; `endpoint` is where scores end."""
    given = _given(anchors, Keys(keys, exclude, ranks=ranks))
    return _computed(backend_for(anchors, keys), "exceedance_rows", anchors, given, threshold, endpoint)


def _computed(backend: Backend, call: str, *arguments: Any) -> Any:
    """Return what the backend answers to the call.

    While a graph is compiled, tiles and their threads stay outside of it: a graph break, or an error where breaks are
    refused (`fullgraph=True`).

    Raises:
        RuntimeError: If a transform of `torch.func` is asked of a backend that computes in tiles.
    """
    if isinstance(backend, Dense):
        # Through the class: torch 2.11 cannot compile a bound method that is decorated.
        return getattr(type(backend), call)(backend, *arguments)
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=_IN_TILES)  # Where breaks are refused, the error has the message.
        return torch.compiler.disable(getattr(backend, call))(*arguments)
    if torch._C._are_functorch_transforms_active():  # pyright: ignore[reportPrivateUsage]
        raise RuntimeError(f"torch.func cannot transform this loss: {_IN_TILES}")
    return getattr(backend, call)(*arguments)


_IN_TILES = (
    "this backend computes in tiles, which keep no scores; compute the loss under "
    'anchorwise.engine.use_backend("dense")'
)


def _given(anchors: Tensor, keys: Keys) -> Keys:
    """Refuse rows in which 1 - s has no digits, and rows and ids that do not fit each other."""
    if anchors.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"anchors must be float32 or float64, got {anchors.dtype}; "
            "anchorwise.pairs.unit_rows widens and normalises rows"
        )
    _tensor_checks.alike("anchors", anchors, "keys", keys.rows)
    if keys.rows.dtype != anchors.dtype:
        raise ValueError(
            f"anchors and keys must share one dtype, got {anchors.dtype} and {keys.rows.dtype}; "
            "convert one with keys.to(anchors.dtype)"
        )
    exclude = tuple(_numbered(same, anchors, keys.rows) for same in keys.exclude)
    return replace(keys, exclude=exclude, only=None if keys.only is None else _numbered(keys.only, anchors, keys.rows))


def _numbered(same: SameId, anchors: Tensor, keys: Tensor) -> SameId:
    """Return ids of any integer dtype as int64; the same tensor on both sides stays the same one."""
    anchor_ids = _tensor_checks.one_per_row("anchor_ids", same.anchor_ids, "anchors", anchors)
    key_ids = _tensor_checks.one_per_row("key_ids", same.key_ids, "keys", keys)
    return SameId(anchor_ids, anchor_ids if same.key_ids is same.anchor_ids else key_ids)
