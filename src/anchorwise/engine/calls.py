"""The engine's calls: what is computed, whatever computes it."""

import operator
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._precision import softmax_nll
from anchorwise.engine.backend import backend_for
from anchorwise.engine.dense import Dense
from anchorwise.engine.request import (
    Attention,
    Backend,
    Exceedances,
    LargestScores,
    LogSumExp,
    PooledTail,
    Request,
    Result,
    ScoresAt,
    Sum,
    Summary,
    TailSummaries,
)
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.tiled.backend import Tiled
from anchorwise.links import Link
from anchorwise.pairs import Contrast, SameId

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points, s = statistics


def logsumexp_rows(contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
    """Return log(sum over keys of weight * exp(link(score))) per anchor.

    It is minus infinity, without gradient, where no key is left.

    Args:
        contrast: Anchors, keys, and which of their pairs count.
        link: Turns a row's scores into logits.

    Raises:
        ValueError: If widths, dtypes, devices or numbers of ids do not fit each other.
        TypeError: If rows are in half precision.
    """
    contrast = checked(contrast)
    request = LogSumExp(contrast, link)
    if _parts_halves(contrast, backend_for(request)):
        return torch.cat([logsumexp_rows(half, link.of_anchors(rows)) for rows, half in contrast.halves])
    return _answer(request)


def cross_entropy_rows(contrast: Contrast, link: Link) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return `-logit_positive + log(exp(logit_positive) + sum over keys of weight * exp(logit))` per anchor.

    Args:
        contrast: Anchors, keys, which of their pairs count as negatives, and which are positives.
        link: Turns scores into logits.

    Returns:
        The cross-entropies, and the scores of the positives, without gradient.

    Raises:
        ValueError: If widths, dtypes, devices or numbers of ids do not fit each other, or positives are no keys.
        TypeError: If rows are in half precision.
    """
    contrast = checked(contrast)
    request = LogSumExp(contrast, link)
    backend = backend_for(request)
    if _parts_halves(contrast, backend):
        found = [cross_entropy_rows(half, link.of_anchors(rows)) for rows, half in contrast.halves]
        losses, scores = zip(*found, strict=True)
        return torch.cat(losses), torch.cat(scores)
    if isinstance(backend, Dense) and contrast.weight is None:
        return backend.cross_entropy_rows(contrast, link)
    scores = contrast.positive_scores
    return softmax_nll(link(scores), _answer(request)), scores.detach()


def _parts_halves(contrast: Contrast, backend: Backend) -> bool:
    """Return whether each half of the anchors is asked for by itself.

    Tiles serve both rows of a score at once; ranks have anchors of their own, and other backends gain nothing by it.
    """
    return contrast.between_halves and not (isinstance(backend, Tiled) and contrast.ranks is None)


def sum_rows(contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
    """Return the sum over keys of weight * link(score) per anchor; 0 where no key is left.

    Args:
        contrast: Anchors, keys, and which of their pairs count.
        link: Gives what is summed.

    Raises:
        ValueError: If widths, dtypes, devices or numbers of ids do not fit each other.
        TypeError: If rows are in half precision.
    """
    return _answer(Sum(checked(contrast), link))


def attend_rows(contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
    """Return the mean of the values per anchor, weighted by the softmax of link(score), without gradient.

    It is 0 where no key is left.
    """
    # What is differentiated forward passes no_grad.
    return _answer(Attention(checked(contrast), link.with_parameters(Tensor.detach), values))


def scores_at(contrast: Contrast, index: Int[Tensor, "a t"]) -> Float[Tensor, "a t"]:
    """Return the scores of every anchor with keys of its own, with gradient, whether their pairs count or not.

    Args:
        contrast: Anchors and keys.
        index: Which keys.
    """
    # So few scores are cheaper than to send: every rank computes all of them.
    alone = replace(checked(contrast), ranks=None)
    return _answer(ScoresAt(alone, _tensor_checks.whole_numbers("index", index)))


def tail_rows(contrast: Contrast, num_tail: int) -> Tail:
    """Return the `num_tail` largest scores of every row and their keys, without gradient."""
    return _answer(LargestScores(checked(contrast), num_tail))


def tail_summaries(contrast: Contrast, num_tail: int, summary: Summary) -> Float[Tensor, "a s"]:
    """Return what `summary` makes of the `num_tail` largest scores of every row, without gradient.

    Unlike the tails of all rows, which are a share of the score matrix, the result needs memory of a few numbers a row.

    Args:
        contrast: Anchors, keys, and which of their pairs count.
        num_tail: Scores of every row, at least 1 and at most those that count.
        summary: Takes the largest scores of some rows in falling order, and returns as many numbers for each row.
    """
    return _answer(TailSummaries(checked(contrast), num_tail, summary))


def pooled_tail(contrast: Contrast, num_tail: int) -> Float[Tensor, " t"]:
    """Return the `num_tail` largest scores of all rows together in falling order, without gradient."""
    return _answer(PooledTail(checked(contrast), num_tail))


def exceedance_rows(contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
    """Return sums over the scores above each row's threshold, without gradient.

    Args:
        contrast: Anchors, keys, and which of their pairs count.
        threshold: Of every anchor.
        endpoint: Where scores end.
    """
    return _answer(Exceedances(checked(contrast), threshold, endpoint))


def _answer(request: Request[Result]) -> Result:
    """Return what the request's backend answers.

    While a graph is compiled, tiles and their threads stay outside of it: a graph break, or an error where breaks are
    refused (`fullgraph=True`).

    Raises:
        RuntimeError: If a transform of `torch.func` is asked of a backend that computes in tiles.
    """
    backend = backend_for(request)
    if backend.is_traceable:
        return request.answered_by(backend)
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(msg=_IN_TILES)  # Where breaks are refused, the error has the message.
        outside: Any = torch.compiler.disable(_answer_of_all_ranks)
        return outside(request, backend)
    if torch._C._are_functorch_transforms_active():  # pyright: ignore[reportPrivateUsage]
        raise RuntimeError(f"torch.func cannot transform this loss: {_IN_TILES}")
    return _answer_of_all_ranks(request, backend)


def _answer_of_all_ranks(request: Request[Result], backend: Backend) -> Result:
    ranks = request.contrast.ranks
    if ranks is None:
        return request.answered_by(backend)
    return request.of_all_anchors(request.of_own_anchors(ranks).answered_by(backend), ranks)


_IN_TILES = (
    "this backend computes in tiles, which keep no scores; compute the loss under "
    'anchorwise.engine.use_backend("dense")'
)


def checked(contrast: Contrast) -> Contrast:
    """Refuse rows in which 1 - s has no digits, and rows and ids that do not fit each other; look at them once.

    Backends are given the same contrast each time, so that they may keep what they have computed of it.
    """
    if not isinstance(contrast, Contrast):
        raise TypeError(
            f"contrast must be an anchorwise.pairs.Contrast, got {type(contrast).__name__}; rows, keys and pairs that "
            "do not count are one argument: Contrast(rows, keys, exclude=[SameId(ids, key_ids)])"
        )
    return contrast.once("checked", lambda: _with_checked_rows(contrast)) or contrast


def _with_checked_rows(contrast: Contrast) -> Contrast | None:
    """Return the contrast with ids of int64; None where it has them, since what keeps itself is kept for long."""
    anchors, keys = contrast.anchors, contrast.keys
    if anchors.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"anchors must be float32 or float64, got {anchors.dtype}; "
            "anchorwise.pairs.unit_rows widens and normalises rows"
        )
    _tensor_checks.alike("anchors", anchors, "keys", keys)
    if keys.dtype != anchors.dtype:
        raise ValueError(
            f"anchors and keys must share one dtype, got {anchors.dtype} and {keys.dtype}; "
            "convert one with keys.to(anchors.dtype)"
        )
    only = None if contrast.only is None else _numbered(contrast.only, contrast)
    exclude = tuple(_numbered(same, contrast) for same in contrast.exclude)
    if only is contrast.only and all(map(operator.is_, exclude, contrast.exclude)):
        return None
    return replace(contrast, exclude=exclude, only=only)


def _numbered(same: SameId, contrast: Contrast) -> SameId:
    """Return ids of any integer dtype as int64; the same tensor on both sides stays the same one."""
    if _are_numbers_of(same.anchor_ids, contrast.anchors) and _are_numbers_of(same.key_ids, contrast.keys):
        return same
    anchor_ids = _tensor_checks.one_per_row("anchor_ids", same.anchor_ids, "anchors", contrast.anchors)
    key_ids = _tensor_checks.one_per_row("key_ids", same.key_ids, "keys", contrast.keys)
    return replace(same, anchor_ids=anchor_ids, key_ids=anchor_ids if same.key_ids is same.anchor_ids else key_ids)


def _are_numbers_of(ids: object, rows: Tensor) -> bool:
    """Return whether these are int64 numbers, one for each row, on its device: nothing is left to check."""
    if not isinstance(ids, Tensor):
        return False
    return ids.dtype == torch.int64 and ids.shape == rows.shape[:1] and ids.device == rows.device
