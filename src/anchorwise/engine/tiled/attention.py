"""Means of values under the softmax of a link, tile by tile, without gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.any_link import LinkLogSum
from anchorwise.engine.tiled.grid import Tile
from anchorwise.engine.tiled.reduction import Reduction
from anchorwise.engine.tiled.workspace import Workspace

# a = anchors, k = keys, d = embedding width, e = width of values


@torch.no_grad()
def attend(
    reduction: Reduction, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], values: Float[Tensor, "k e"]
) -> Float[Tensor, "a e"]:
    """Return the means, by a pass for the sums of exponentials and one for the values; 0 for a row without keys.

    A single pass, as FlashAttention takes, would scale the means down whenever a larger logit turns up. Two passes use
    the sums and the softmax weights that there are for every link.
    """
    reducer = reduction.new_reducer(())
    assert isinstance(reducer, LinkLogSum)
    reduction.reduce(reducer, anchors, keys)
    # The gradient by the logits under an upstream gradient of 1 is the softmax itself.
    reducer.begin_backward(reducer.saved, anchors.new_ones(len(anchors)))
    result, workspace = values.new_zeros(len(anchors), values.shape[1]), Workspace(anchors)

    def add(tile: Tile) -> None:
        scores = workspace.scores(anchors[tile.anchors], keys[tile.keys])
        for side in reduction.mask.sides(tile):
            weights = reducer.softmax_weights(side.anchor_major(scores), side)
            result[side.rows].addmm_(weights, values[side.columns])

    reduction.visit(add, anchors.device)
    return result
