"""Scores of every anchor with keys of its own, some anchors at a time."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.second_order import once_differentiable

# a = anchors, k = keys, d = embedding width, t = keys of an anchor

# Numbers of gathered rows that are in memory at once.
_NUM_AT_ONCE = 2**20


def gather_scores(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], index: Int[Tensor, "a t"]
) -> Float[Tensor, "a t"]:
    """Return the scores of every anchor with the keys that `index` names, with gradients to both."""
    return _GatherScores.apply(anchors, keys, index)


class _GatherScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], index: Int[Tensor, "a t"]
    ) -> Float[Tensor, "a t"]:
        ctx.save_for_backward(anchors, keys, index)
        scores = anchors.new_empty(index.shape)
        for rows in _row_blocks(anchors, index):
            scores[rows] = (keys[index[rows]] * anchors[rows].unsqueeze(1)).sum(dim=2)
        return scores

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Float[Tensor, "a t"]) -> tuple[Any, ...]:
        anchors, keys, index = (tensor.detach() for tensor in ctx.saved_tensors)
        by_anchors, by_keys = torch.zeros_like(anchors), torch.zeros_like(keys)
        for rows in _row_blocks(anchors, index):
            upstream = grad_outputs[0].detach()[rows].unsqueeze(2)
            by_anchors[rows] = (upstream * keys[index[rows]]).sum(dim=1)
            by_keys.index_add_(0, index[rows].flatten(), (upstream * anchors[rows].unsqueeze(1)).flatten(0, 1))
        return *once_differentiable([by_anchors, by_keys], *ctx.saved_tensors[:2], grad_outputs[0]), None


def _row_blocks(anchors: Float[Tensor, "a d"], index: Int[Tensor, "a t"]) -> Iterator[slice]:
    step = max(_NUM_AT_ONCE // max(index.shape[1] * anchors.shape[1], 1), 1)
    return (slice(start, start + step) for start in range(0, len(anchors), step))
