"""Sums of exponentials under one temperature for all: one exponential serves a pair and its mirror image."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.tiled.masking import Side, masked_for_each
from anchorwise.engine.tiled.reducer import Reducer, RowGradients
from anchorwise.engine.tiled.workspace import Workspace

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
        self._sums = like.new_zeros(len(like))
        self._is_tensor = isinstance(slope, Tensor)
        self._by_slope = RowGradients.of(slope, len(like))
        self.scale = self._slope * math.log2(math.e)

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        for side, exponentials in zip(sides, masked_for_each(sides, scores.exp2_(), 0.0), strict=True):
            self._sums[side.rows] += exponentials.sum(dim=side.dim)

    def value(self) -> Float[Tensor, " a"]:
        """Return the logarithms."""
        return self._sums.log()

    @property
    def saved(self) -> tuple[Float[Tensor, " a"], ...]:
        """The sums."""
        return (self._sums,)

    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Turn the upstream gradient into what exponentials are multiplied by."""
        (sums,) = saved
        self._factors = (upstream * self._slope / sums).masked_fill(sums == 0.0, 0.0).contiguous()

    def score_gradients(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the tile's gradient."""
        logits = None if self._by_slope is None else workspace.buffer("logits", scores.shape).copy_(scores)
        result = self.weighted_exponentials(scores, sides, workspace)
        if self._by_slope is not None and logits is not None:
            # The result has the slope as a factor, and these logits, of base 2, the scale.
            self._by_slope.add(sides[0], (result * logits).sum() / (self._slope * self.scale))
        return result

    def weighted_exponentials(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the exponentials times the factors of their anchors, all sides together; overwrites the scores."""
        exponentials = masked_for_each(sides, scores.exp2_(), 0.0)
        factors = [side.broadcast(self._factors) for side in sides]
        if len(sides) == 1:
            return exponentials[0].mul_(factors[0])
        if exponentials[0] is exponentials[1]:
            # exp(s_ij) f_i + exp(s_ij) f_j: where the same pairs count on both sides, one product with f_i + f_j.
            return exponentials[0].mul_(torch.add(*factors, out=workspace.buffer("factors", scores.shape)))
        return exponentials[0].mul_(factors[0]).addcmul_(exponentials[1], factors[1])

    @property
    def parameter_gradients(self) -> list[RowGradients | None]:
        """The gradient by the slope, where it is a tensor."""
        return [self._by_slope] if self._is_tensor else []
