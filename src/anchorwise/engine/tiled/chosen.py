"""Scores of every anchor with keys of its own choice, some anchors at a time."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.tiled.reduction import once

# a = anchors, k = keys, d = embedding width, t = chosen keys per anchor

# Numbers of the chosen keys' rows that are in memory at once.
_NUM_AT_ONCE = 2**20


def chosen_scores(
    anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
) -> Float[Tensor, "a t"]:
    """Return the scores of every anchor with its chosen keys, with gradients to both."""
    return _ChosenScores.apply(anchors, keys, chosen)


class _ChosenScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchors: Tensor, keys: Tensor, chosen: Tensor) -> Tensor:
        ctx.save_for_backward(anchors, keys, chosen)
        scores = anchors.new_empty(chosen.shape)
        for rows in _row_blocks(anchors, chosen):
            scores[rows] = (keys[chosen[rows]] * anchors[rows].unsqueeze(1)).sum(dim=2)
        return scores

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        anchors, keys, chosen = (tensor.detach() for tensor in ctx.saved_tensors)
        by_anchors, by_keys = torch.zeros_like(anchors), torch.zeros_like(keys)
        for rows in _row_blocks(anchors, chosen):
            gradient = grad_outputs[0].detach()[rows].unsqueeze(2)
            by_anchors[rows] = (gradient * keys[chosen[rows]]).sum(dim=1)
            by_keys.index_add_(0, chosen[rows].flatten(), (gradient * anchors[rows].unsqueeze(1)).flatten(0, 1))
        return *once([by_anchors, by_keys], *ctx.saved_tensors[:2], grad_outputs[0]), None


def _row_blocks(anchors: Tensor, chosen: Tensor) -> list[slice]:
    step = max(_NUM_AT_ONCE // max(chosen.shape[1] * anchors.shape[1], 1), 1)
    return [slice(start, start + step) for start in range(0, len(anchors), step)]
