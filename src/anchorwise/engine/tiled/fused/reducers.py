"""Reducers whose tiles are each worked on by one kernel; what they compute is what their bases do."""

import ctypes
import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.results import ExceedanceSums
from anchorwise.engine.tiled.common_softmax import CommonSoftmax
from anchorwise.engine.tiled.exceedances import ExceedanceAdder
from anchorwise.engine.tiled.log_shortfall import LogShortfallSum
from anchorwise.engine.tiled.masking import Side, masked_for_each
from anchorwise.engine.tiled.workspace import Workspace
from anchorwise.links import MIN_SHORTFALL
from anchorwise.links.base import LogShortfall

# a = anchors, r = anchors of a tile, c = keys of a tile

_NUM_WORK_ROWS = 5  # Rows of a tile, or columns, for which a kernel needs room.


class FusedCommonSoftmax(CommonSoftmax):
    """`CommonSoftmax` by kernels."""

    def __init__(self, kernels: ctypes.CDLL, slope: float | Tensor, like: Tensor) -> None:
        super().__init__(slope, like)
        self._kernels = kernels

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        run_on_sides(self._kernels.sum_exponentials, scores, sides, workspace, self._sums.data_ptr())

    def weighted_exponentials(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the exponentials times the factors of their anchors."""
        differentiate = self._kernels.differentiate_exponentials
        return _sum(run_on_sides(differentiate, scores, sides, workspace, self._factors.data_ptr()))


class FusedLogShortfallSum(LogShortfallSum):
    """`LogShortfallSum` by kernels, for slopes and powers that are not negative.

    The gradient by slopes and powers that are learnt needs the powers of 2 themselves: there torch takes over.
    """

    def __init__(self, kernels: ctypes.CDLL, link: LogShortfall, like: Tensor) -> None:
        super().__init__(link, like)
        self._kernels, self._num_anchors = kernels, len(like)
        self._numbers = self._stacked(self._slope * math.log2(math.e), self._power)

    @staticmethod
    def serves(link: LogShortfall) -> bool:
        """Return whether the link's logits rise with scores."""
        return all(bool((torch.as_tensor(value) >= 0).all()) for value in (link.slope, link.power))

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile."""
        sums = (self._sums.running_max.data_ptr(), self._sums.running_sum.data_ptr(), self._num_anchors)
        given = (self._link.endpoint, MIN_SHORTFALL, self._numbers.data_ptr(), *sums)
        run_on_sides(self._kernels.add_log_sums, scores, sides, workspace, *given)

    def begin_backward(self, saved: tuple[Float[Tensor, " a"], ...], upstream: Float[Tensor, " a"]) -> None:
        """Take what the logits are relative to, and what their exponentials are multiplied by."""
        super().begin_backward(saved, upstream)
        factors = (self._softmax.shift, self._slope_factor, self._power_factor)
        self._numbers = self._stacked(*self._numbers, *factors)

    def score_gradients(
        self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace
    ) -> Float[Tensor, "r c"]:
        """Return the tile's gradient."""
        if any(self.parameter_gradients):
            return super().score_gradients(scores, sides, workspace)
        given = (self._link.endpoint, MIN_SHORTFALL, self._numbers.data_ptr(), self._num_anchors)
        return _sum(run_on_sides(self._kernels.differentiate_log_sums, scores, sides, workspace, *given))

    def _stacked(self, *numbers: Float[Tensor, ""] | Float[Tensor, " a"]) -> Float[Tensor, "n a"]:
        return torch.stack([number.expand(self._num_anchors) for number in numbers])


class FusedExceedances(ExceedanceAdder):
    """`ExceedanceAdder` by kernels."""

    def __init__(self, kernels: ctypes.CDLL, threshold: Float[Tensor, " a"], endpoint: float) -> None:
        super().__init__(threshold, endpoint)
        self._kernels = kernels
        self._numbers = torch.stack([self._widest, self._log_widest * math.log2(math.e)])

    def add(self, scores: Float[Tensor, "r c"], sides: list[Side], workspace: Workspace) -> None:
        """Add a tile; overwrites the scores."""
        given = (float(self._endpoint), MIN_SHORTFALL, self._numbers.data_ptr(), self._sums.data_ptr())
        run_on_sides(self._kernels.add_exceedances, scores, sides, workspace, *given, self._sums.shape[1])

    def sums(self) -> ExceedanceSums:
        """Return the sums of all tiles."""
        self._log_ratio.mul_(math.log(2.0))
        return super().sums()


def run_on_sides(
    kernel: Callable[..., None],
    scores: Float[Tensor, "r c"],
    sides: Sequence[Side],
    workspace: Workspace,
    *given: float,
) -> list[Float[Tensor, "r c"]]:
    """Run a kernel on a tile: once for both sides where the same pairs count on both, else on a tile for each.

    Returns:
        The tiles, overwritten where the kernel does.
    """
    tiles = masked_for_each(sides, scores, -torch.inf)
    together = all(tile is scores for tile in tiles)
    parts = [(scores, sides)] if together else [(tile, [side]) for tile, side in zip(tiles, sides, strict=True)]
    work = workspace.buffer("work", (_NUM_WORK_ROWS, max(scores.shape))).data_ptr()
    for tile, served in parts:
        first = {side.dim: side.rows.start for side in served}
        kernel(tile.data_ptr(), *tile.shape, *given, first.get(1, -1), first.get(0, -1), work)
    return [tile for tile, _ in parts]


def _sum(gradients: list[Float[Tensor, "r c"]]) -> Float[Tensor, "r c"]:
    return gradients[0] if len(gradients) == 1 else gradients[0].add_(gradients[1])
