"""Sums of any link, or of its exponential, weighted or not; its gradient comes from autograd, inside the tile."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.log_sum import LogSum, SoftmaxGradient
from anchorwise.engine.tiled.masking import Side
from anchorwise.engine.tiled.reducer import Reducer, RowGradients
from anchorwise.engine.tiled.workspace import Workspace
from anchorwise.links import Link
from anchorwise.pairs import PairWeight

# a = anchors, r = anchors of a tile, c = keys of a tile


class _AnyLink(Reducer):
    """What sums of a link and of its exponential have in common.

    Args:
        link: Any link; its parameters are those of `parameters`.
        parameters: The link's tensors: one number each, or one per anchor.
        weight: Weights of pairs.
        like: Rows whose number, dtype and device the result has.
    """

    def __init__(self, link: Link, parameters: Sequence[Tensor], weight: PairWeight | None, like: Tensor) -> None:
        self._link, self._parameters, self._weight = link, parameters, weight
        self._gradients = [RowGradients.of(parameter, len(like)) for parameter in parameters]

    @property
    def parameter_gradients(self) -> list[RowGradients | None]:
        """The gradients by the link's tensors."""
        return self._gradients

    def _parameters_of(self, side: Side) -> list[Tensor]:
        return [value if value.ndim == 0 else value[side.rows] for value in self._parameters]

    def _values(self, scores: Float[Tensor, "r c"], parameters: Sequence[Tensor]) -> Float[Tensor, "r c"]:
        those = iter(parameters)
        return self._link.with_parameters(lambda _: next(those))(scores)

    def _log_weights(self, side: Side, like: Float[Tensor, "r c"]) -> Float[Tensor, "r c"] | Float[Tensor, ""]:
        if self._weight is None:
            return like.new_zeros(())
        anchors, keys = self._weight.anchor_values[side.rows], self._weight.key_values[side.columns]
        return self._weight.log_weights(anchors, keys).to(like)

    def score_gradients(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the tile's gradient."""
        result = torch.zeros_like(scores)
        for side in sides:
            result += side.anchor_major(self._of_side(side.anchor_major(scores), side))
        return result

    def _of_side(self, scores: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        """Return the gradient by the scores of the side's anchors, a row each, and add up that by the parameters."""
        with torch.enable_grad():
            inputs = [scores.detach(), *(value.detach() for value in self._parameters_of(side))]
            wanted = [value.requires_grad_() for value in inputs]
            values = self._values(wanted[0], wanted[1:])
            if not values.requires_grad:
                return torch.zeros_like(scores)
            gradients = torch.autograd.grad(values, wanted, self._upstream(values.detach(), side), allow_unused=True)
        for known, gradient in zip(self._gradients, gradients[1:], strict=True):
            if known is not None and gradient is not None:
                known.add(side, gradient)
        return torch.zeros_like(scores) if gradients[0] is None else gradients[0]

    def _upstream(self, values: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        """Return the gradient of the loss by the link's values, a row per anchor."""
        raise NotImplementedError


class LinkLogSum(_AnyLink):
    """`log sum over keys of weight * exp(link(s))`."""

    def __init__(self, link: Link, parameters: Sequence[Tensor], weight: PairWeight | None, like: Tensor) -> None:
        super().__init__(link, parameters, weight, like)
        self._sums = LogSum(like, len(like))

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        for side in sides:
            logits = self._values(side.anchor_major(scores), self._parameters_of(side))
            logits = (logits + self._log_weights(side, logits)) * math.log2(math.e)
            self._sums.add(side.rows, side.fill_anchor_major_(logits, -torch.inf))

    def value(self) -> Float[Tensor, " a"]:
        """Return the logarithms."""
        return self._sums.value()

    @property
    def saved(self) -> tuple[Float[Tensor, " a"], ...]:
        """Running maximum and sum."""
        return self._sums.running_max, self._sums.running_sum

    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Take what logits are relative to, and what their exponentials are multiplied by."""
        self._softmax = SoftmaxGradient.of(saved, upstream)

    def softmax_weights(self, scores: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        """Return the softmax weights of the keys times the upstream gradient of their anchor, a row per anchor."""
        return self._upstream(self._values(scores, self._parameters_of(side)), side)

    def _upstream(self, values: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        logits = (values + self._log_weights(side, values)) * math.log2(math.e)
        powers = (logits - self._softmax.shift[side.rows].unsqueeze(1)).exp2()
        return side.fill_anchor_major_(powers, 0.0) * self._softmax.factor[side.rows].unsqueeze(1)


class LinkSum(_AnyLink):
    """`sum over keys of weight * link(s)`."""

    def __init__(self, link: Link, parameters: Sequence[Tensor], weight: PairWeight | None, like: Tensor) -> None:
        super().__init__(link, parameters, weight, like)
        self._sums = like.new_zeros(len(like))

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        for side in sides:
            terms = self._values(side.anchor_major(scores), self._parameters_of(side))
            weighted = terms * self._log_weights(side, terms).exp()
            self._sums[side.rows] += side.fill_anchor_major_(weighted, 0.0).sum(dim=1)

    def value(self) -> Float[Tensor, " a"]:
        """Return the sums."""
        return self._sums

    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Take what terms are multiplied by."""
        self._of_rows = upstream

    def _upstream(self, values: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        weights = self._log_weights(side, values).exp() * self._of_rows[side.rows].unsqueeze(1)
        return side.fill_anchor_major_(weights.expand_as(values).clone(), 0.0)
