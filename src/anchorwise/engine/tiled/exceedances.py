"""Sums over the scores above each row's threshold: every score once for a pair and its mirror image, nothing sorted."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.results import ExceedanceSums
from anchorwise.engine.tiled.masking import Side, masked_for_each
from anchorwise.engine.tiled.workspace import Workspace, fast_log
from anchorwise.links import MIN_SHORTFALL

# a = anchors, r = anchors of a tile, c = keys of a tile


class ExceedanceAdder:
    """The sums, tile by tile.

    Args:
        threshold: Of every row.
        endpoint: Where scores end.
    """

    def __init__(self, threshold: Float[Tensor, " a"], endpoint: float) -> None:
        self._endpoint = threshold.new_full((), endpoint)
        self._widest = self._endpoint - threshold
        self._log_widest = self._widest.clamp_min(MIN_SHORTFALL).log()
        self._sums = threshold.new_zeros(4, len(threshold))
        self._count, self._log_ratio, self._excess, self._smallest = self._sums
        self._smallest.fill_(torch.inf)

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile; overwrites the scores."""
        logs = latest = None
        parts = masked_for_each(sides, torch.sub(self._endpoint, scores, out=scores), torch.inf)
        for side, shortfalls in zip(sides, parts, strict=True):
            counted = self._counted(shortfalls, side)
            if logs is None or counted is not latest:
                logs, latest = fast_log(counted, out=workspace.buffer("logs", counted.shape)), counted
            self._add_side(counted, logs, side, workspace.buffer("work", counted.shape))

    def _counted(self, shortfalls: Float[Tensor, "r c"], side: Side) -> Float[Tensor, "r c"]:
        """Return the shortfalls with those out of the way that are no tail: infinite."""
        smallest = shortfalls.amin(dim=side.dim)
        self._smallest[side.rows] = torch.minimum(self._smallest[side.rows], smallest)
        # On a GPU looking first would cost more than what it saves.
        if shortfalls.device.type == "cpu" and not bool((smallest < MIN_SHORTFALL).any()):
            return shortfalls
        return torch.threshold(shortfalls, MIN_SHORTFALL, torch.inf)

    def _add_side(
        self, shortfalls: Float[Tensor, "r c"], logs: Float[Tensor, "r c"], side: Side, work: Float[Tensor, "r c"]
    ) -> None:
        rows, dim, widest = side.rows, side.dim, side.broadcast(self._widest)
        self._count[rows] += torch.lt(shortfalls, widest, out=work).sum(dim=dim)
        self._excess[rows] += torch.sub(widest, shortfalls, out=work).relu_().sum(dim=dim)
        self._log_ratio[rows] += torch.sub(side.broadcast(self._log_widest), logs, out=work).relu_().sum(dim=dim)

    def sums(self) -> ExceedanceSums:
        """Return the sums of all tiles."""
        return ExceedanceSums(self._count, self._log_ratio, self._excess, self._endpoint - self._smallest)
