"""Means of values under the softmax of a link, tile by tile, without gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.any_link import LinkLogSum
from anchorwise.engine.tiled.grid import Tile
from anchorwise.engine.tiled.reduction import Reduction
from anchorwise.engine.tiled.space import Space

# a = anchors, k = keys, d = embedding width, e = width of values


@torch.no_grad()
def attend(
    reduction: Reduction, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], values: Float[Tensor, "k e"]
) -> Float[Tensor, "a e"]:
    """Return the means, by a pass for the sums of exponentials and one for the values; 0 for a row without keys."""
    reducer = reduction.make(())
    assert isinstance(reducer, LinkLogSum)
    reduction.reduce(reducer, anchors, keys)
    reducer.start_slopes(reducer.kept, anchors.new_ones(len(anchors)))
    result, space = values.new_zeros(len(anchors), values.shape[1]), Space(anchors)

    def add(tile: Tile) -> None:
        scores = space.products(anchors[tile.anchors], keys[tile.keys])
        for side in reduction.pairs.sides(tile):
            result[side.rows].addmm_(reducer.shares(side.upright(scores), side), values[side.columns])

    reduction.visit(add, anchors.device)
    return result
