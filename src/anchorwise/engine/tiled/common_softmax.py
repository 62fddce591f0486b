"""Sums of exponentials under one temperature for all: one exponential serves a pair and its mirror image."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.pairs_left import Side, filled_for_each
from anchorwise.engine.tiled.reducer import Reducer, RowGradients
from anchorwise.engine.tiled.space import Space

# a = anchors, r = anchors of a tile, c = keys of a tile


class CommonSoftmax(Reducer):
    """`log sum over keys of exp(slope * s)`, for logits so small that they need no shift (`HIGHEST_LOGIT`).

    Args:
        slope: One number for all anchors, not below `LOWEST_SLOPE`.
        like: Rows whose number, dtype and device the result has.
    """

    # exp(40) times any number of keys is far from overflow, exp(-40) is far from 0.
    HIGHEST_LOGIT = 40.0
    # The gradient by the slope is divided by its square.
    LOWEST_SLOPE = 1e-3

    def __init__(self, slope: float | Tensor, like: Tensor) -> None:
        self._slope = slope.item() if isinstance(slope, Tensor) else slope
        self._totals = like.new_zeros(len(like))
        self._is_tensor = isinstance(slope, Tensor)
        self._by_slope = RowGradients.of(slope, len(like))
        self.scale = self._slope * math.log2(math.e)

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], space: Space) -> None:
        """Add a tile."""
        for side, exponentials in zip(sides, filled_for_each(sides, scores.exp2_(), 0.0), strict=True):
            self._totals[side.rows] += exponentials.sum(dim=side.dim)

    def value(self) -> Float[Tensor, " a"]:
        """Return the logarithms."""
        return self._totals.log()

    @property
    def kept(self) -> tuple[Float[Tensor, " a"], ...]:
        """The sums."""
        return (self._totals,)

    def start_slopes(self, kept: tuple[Float[Tensor, " a"], ...], gradient: Float[Tensor, " a"]) -> None:
        """Turn gradients into what exponentials are multiplied by."""
        (totals,) = kept
        self._factors = (gradient * self._slope / totals).masked_fill(totals == 0.0, 0.0)

    def slopes(self, scores: Float[Tensor, "r c"], sides: list[Side], space: Space) -> Float[Tensor, "r c"]:
        """Return the tile's slopes."""
        logits = None if self._by_slope is None else space.tile("logits", scores.shape).copy_(scores)
        parts = filled_for_each(sides, scores.exp2_(), 0.0)
        factors = [side.along(self._factors) for side in sides]
        if len(sides) == 1:
            slopes = parts[0].mul_(factors[0])
        elif parts[0] is parts[1]:
            slopes = parts[0].mul_(torch.add(*factors, out=space.tile("factors", scores.shape)))
        else:
            slopes = parts[0].mul_(factors[0]).addcmul_(parts[1], factors[1])
        if self._by_slope is not None and logits is not None:
            # Slopes have one slope as a factor and these logits, of base 2, the scale.
            self._by_slope.add(sides[0], (slopes * logits).sum() / (self._slope * self.scale))
        return slopes

    @property
    def parameter_gradients(self) -> list[RowGradients | None]:
        """The gradient by the slope, where it is a tensor."""
        return [self._by_slope] if self._is_tensor else []
