"""Sums of exponentials of `slope * s - power * log(endpoint - s)` in closed form, with every anchor's own numbers."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.log_sum import LogSum, SoftmaxGradient
from anchorwise.engine.tiled.masking import Side
from anchorwise.engine.tiled.reducer import Reducer, RowGradients
from anchorwise.engine.tiled.workspace import Workspace, fast_log
from anchorwise.links import MIN_SHORTFALL
from anchorwise.links.base import LogShortfall

# a = anchors, r = anchors of a tile, c = keys of a tile


class LogShortfallSum(Reducer):
    """`log sum over keys of exp(slope * s - power * log(endpoint - s))`.

    The logarithm of the shortfall is taken once for a pair and its mirror image. Exponentials are of base 2, which is
    three times as fast here as base e.

    Args:
        link: The family's member; its tensors have one number, or one per anchor.
        like: Rows whose number, dtype and device the result has.
    """

    def __init__(self, link: LogShortfall, like: Tensor) -> None:
        self._link = link
        self._by_slope, self._by_power = (RowGradients.of(value, len(like)) for value in (link.slope, link.power))
        self._slope, self._power, self._endpoint = (
            torch.as_tensor(value, dtype=like.dtype, device=like.device).detach()
            for value in (link.slope, link.power, link.endpoint)
        )
        self._has_power = isinstance(link.power, Tensor) or link.power != 0.0
        self._sums = LogSum(like, len(like))

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        logs = self._log_shortfalls(scores, workspace)[0]
        for side in sides:
            logits = self._logits(scores, logs, side, workspace)
            self._sums.add(side.rows, side.fill_(logits, -torch.inf), dim=side.dim)

    def value(self) -> Float[Tensor, " a"]:
        """Return the logarithms."""
        return self._sums.value()

    @property
    def saved(self) -> tuple[Float[Tensor, " a"], ...]:
        """Running maximum and sum."""
        return self._sums.running_max, self._sums.running_sum

    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Take what the logits are relative to, and what their exponentials are multiplied by."""
        self._softmax = SoftmaxGradient.of(saved, upstream)
        # A logit's slope is `slope + power / shortfall`: with the rows' factors in both terms no tile needs them again.
        self._slope_factor = self._softmax.factor * self._slope
        self._power_factor = self._softmax.factor * self._power

    def score_gradients(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the tile's gradient."""
        logs, inverses = self._log_shortfalls(scores, workspace, inverse=True)
        result = workspace.buffer("result", scores.shape)
        for index, side in enumerate(sides):
            powers = self._logits(scores, logs, side, workspace).sub_(side.broadcast(self._softmax.shift)).exp2_()
            side.fill_(powers, 0.0)
            self._add_parameter_gradients(powers, scores, logs, side)
            if index == 0:
                self._slope_of_logit(inverses, side, result).mul_(powers)
            else:
                result.addcmul_(powers, self._slope_of_logit(inverses, side, workspace.buffer("factors", scores.shape)))
        return result

    @property
    def parameter_gradients(self) -> list[RowGradients | None]:
        """The gradients by slope and power, where they are tensors."""
        both = ((self._link.slope, self._by_slope), (self._link.power, self._by_power))
        return [gradient for value, gradient in both if isinstance(value, Tensor)]

    def _log_shortfalls(
        self, scores: Float[Tensor, "r c"], workspace: Workspace, *, inverse: bool = False
    ) -> tuple[Float[Tensor, "r c"] | None, Float[Tensor, "r c"] | None]:
        """Return the logarithms of the shortfalls, and what their slopes are: 0 where the floor acts."""
        if not self._has_power:
            return None, None
        shortfalls = torch.sub(self._endpoint, scores, out=workspace.buffer("shortfalls", scores.shape))
        logs = torch.clamp_min(shortfalls, MIN_SHORTFALL, out=workspace.buffer("logs", scores.shape))
        fast_log(logs, out=logs)
        if not inverse:
            return logs, None
        return logs, torch.threshold_(shortfalls, MIN_SHORTFALL, torch.inf).reciprocal_()

    def _logits(
        self, scores: Float[Tensor, "r c"], logs: Float[Tensor, "r c"] | None, side: Side, workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return logits of base 2."""
        per_score = side.broadcast(self._slope * math.log2(math.e))
        logits = torch.mul(scores, per_score, out=workspace.buffer("logits", scores.shape))
        if logs is not None:
            logits.addcmul_(logs, side.broadcast(self._power * -math.log2(math.e)))
        return logits

    def _slope_of_logit(
        self, inverses: Float[Tensor, "r c"] | None, side: Side, out: Float[Tensor, "r c"]
    ) -> Float[Tensor, "r c"]:
        """Return the slopes of the logits times the factors of their rows."""
        if inverses is None:
            return out.copy_(side.broadcast(self._slope_factor))
        return torch.mul(inverses, side.broadcast(self._power_factor), out=out).add_(side.broadcast(self._slope_factor))

    def _add_parameter_gradients(
        self,
        powers: Float[Tensor, "r c"],
        scores: Float[Tensor, "r c"],
        logs: Float[Tensor, "r c"] | None,
        side: Side,
    ) -> None:
        factor = self._softmax.factor[side.rows]
        if self._by_slope is not None:
            self._by_slope.add(side, factor * (powers * scores).sum(dim=side.dim))
        if self._by_power is not None and logs is not None:
            self._by_power.add(side, -factor * (powers * logs).sum(dim=side.dim))
