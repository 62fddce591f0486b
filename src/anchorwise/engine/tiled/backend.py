"""The engine's calls, answered tile by tile."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.request import Backend, Request, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.tiled.any_link import LinkLogSum, LinkSum
from anchorwise.engine.tiled.attention import attend
from anchorwise.engine.tiled.common_softmax import CommonSoftmax
from anchorwise.engine.tiled.exceedances import ExceedanceAdder
from anchorwise.engine.tiled.fused import FusedCommonSoftmax, FusedExceedances, FusedLogShortfallSum, kernels_for
from anchorwise.engine.tiled.gathered_scores import gather_scores
from anchorwise.engine.tiled.grid import Grid, Tile
from anchorwise.engine.tiled.log_shortfall import LogShortfallSum
from anchorwise.engine.tiled.masking import PairMask
from anchorwise.engine.tiled.reducer import Reducer
from anchorwise.engine.tiled.reduction import Reduction
from anchorwise.engine.tiled.tails import PooledTail, WholeRows, largest, largest_with_keys
from anchorwise.engine.tiled.workspace import Workspace
from anchorwise.links import Link
from anchorwise.links.base import LogShortfall
from anchorwise.pairs import Contrast

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points, s = statistics

_NewReducer = Callable[[tuple[Tensor, ...]], Reducer]

# So few scores are faster all at once than in tiles; on a GPU, where calls cost launches, as many as one tile has.
_NUM_DENSE_SCORES = {"cpu": 320 * 320, "cuda": 4096 * 4096}
_NUM_DENSE_BETWEEN = {"cpu": 224 * 224, "cuda": 4096 * 4096}  # Of one half with the other.
# Scores of whole rows that are in memory at once, for each worker thread; elsewhere as many as a tile has.
_NUM_WHOLE_ROW_SCORES = 2**20


@final
@dataclass(frozen=True)
class Tiled(Backend):
    """Memory that grows with the embeddings: scores exist a tile at a time and are computed again for the gradient.

    Where the anchors are the keys, a tile serves its mirror image too. Tiles are worked on at once, one thread each.
    Second derivatives are refused.

    Args:
        size: Anchors and keys of a tile at most; None chooses by device.
    """

    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            _checks.count("size", self.size)

    def supports(self, request: Request) -> bool:
        """Return True: it computes everything."""
        return True

    def suits(self, request: Request) -> bool:
        """Return whether there are so many scores that tiles are faster than the whole matrix."""
        anchors, keys = request.contrast.anchors, request.contrast.keys
        between = request.contrast.between_halves
        limits = _NUM_DENSE_BETWEEN if between else _NUM_DENSE_SCORES
        few = limits.get(anchors.device.type, limits["cpu"])
        return anchors.shape[0] * keys.shape[0] > (4 * few if between else few)

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of weight * exp(link(score)))."""
        new_reducer, parameters = _log_sum(contrast, link)
        return self._reduction(contrast, new_reducer)(contrast.anchors, contrast.keys, parameters)

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        new_reducer = partial(_link_sum, link, contrast.detached())
        return self._reduction(contrast, new_reducer)(contrast.anchors, contrast.keys, link.parameters)

    def attend_rows(self, contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        fixed = tuple(parameter.detach() for parameter in link.parameters)
        reduction = self._reduction(contrast, lambda _: _link_log_sum(link, contrast.detached(), fixed))
        return reduction.with_smaller_tiles_if_needed(
            lambda fitting: attend(fitting, contrast.anchors, contrast.keys, values), contrast.anchors.device
        )

    def scores_at(self, contrast: Contrast, index: Int[Tensor, "a t"]) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with keys of its own."""
        return gather_scores(contrast.anchors, contrast.keys, index)

    @torch.no_grad()
    def tail_rows(self, contrast: Contrast, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        anchors = contrast.anchors
        scores = anchors.new_zeros(len(anchors), num_tail)
        keys = torch.zeros(scores.shape, dtype=torch.int64, device=anchors.device)

        def step(rows: slice, of_rows: Float[Tensor, "r k"]) -> None:
            scores[rows], keys[rows] = largest_with_keys(of_rows, num_tail)

        _whole_rows(contrast).visit(step)
        return Tail(scores, keys)

    @torch.no_grad()
    def tail_summaries(self, contrast: Contrast, num_tail: int, summary: Summary) -> Float[Tensor, "a s"]:
        """Return the summary of every row's tail; tails exist for some rows at a time."""
        width = summary(contrast.anchors.new_zeros(1, num_tail)).shape[1]
        return _whole_rows(contrast).collect(width, lambda scores: summary(largest(scores, num_tail)))

    @torch.no_grad()
    def pooled_tail(self, contrast: Contrast, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        pool = PooledTail(num_tail, contrast.anchors)
        _whole_rows(contrast).visit(lambda _, scores: pool.add(scores))
        return pool.value()

    @torch.no_grad()
    def exceedance_rows(self, contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        anchors, keys = contrast.anchors, contrast.keys

        def run(fitting: Reduction) -> ExceedanceSums:
            adder, workspace = _exceedance_adder(threshold, endpoint), Workspace(anchors)

            def add(tile: Tile) -> None:
                sides = fitting.mask.sides(tile)
                if sides:
                    adder.add(workspace.scores(anchors[tile.anchors], keys[tile.keys]), sides, workspace)

            fitting.visit(add, anchors.device)
            return adder.sums()

        return self._reduction(contrast, _no_reducer).with_smaller_tiles_if_needed(run, anchors.device)

    def _reduction(self, contrast: Contrast, new_reducer: _NewReducer) -> Reduction:
        num_anchors, num_keys = len(contrast.anchors), len(contrast.keys)
        size = self.size or tile_size(contrast.anchors.device)
        grid = Grid(num_anchors, num_keys, contrast.is_symmetric, (size, size), contrast.between_halves)
        return Reduction(grid, _mask_of(contrast), new_reducer)


def tile_size(device: torch.device) -> int:
    """Return how many rows and columns tiles have at most."""
    # As measured on CPUs (benchmarks/results): larger tiles leave the cache, smaller ones cost more calls. Elsewhere
    # calls are launches, which a tile must be large to outweigh.
    return 512 if device.type == "cpu" else 4096


def _whole_rows(contrast: Contrast) -> WholeRows:
    anchors = contrast.anchors
    num_scores = _NUM_WHOLE_ROW_SCORES if anchors.device.type == "cpu" else tile_size(anchors.device) ** 2
    return WholeRows(anchors, contrast.keys, _mask_of(contrast), num_scores)


def _mask_of(contrast: Contrast) -> PairMask:
    # Statistics and loss ask for the same tiles.
    return contrast.once("pair_mask", lambda: PairMask(contrast.exclude, contrast.only))


def _log_sum(contrast: Contrast, link: Link) -> tuple[_NewReducer, tuple[Tensor, ...]]:
    """Return what makes the reducer that fits the link, and the tensors it is made of."""
    form, detached = link.log_shortfall, contrast.detached()
    if form is None or contrast.weight is not None:
        return partial(_link_log_sum, link, detached), link.parameters
    parameters = tuple(value for value in (form.slope, form.power) if isinstance(value, Tensor))
    if _is_small(form, detached.anchors, detached.keys):
        return partial(_common_softmax, form, detached.anchors), parameters
    return partial(_log_shortfall_sum, form, detached.anchors), parameters


def _is_small(form: LogShortfall, anchors: Tensor, keys: Tensor) -> bool:
    """Return whether one temperature serves all and no logit needs a shift; looked up only where that is cheap."""
    if isinstance(form.power, Tensor) or form.power != 0.0 or not len(anchors) or not len(keys):
        return False
    if isinstance(form.slope, Tensor) and (form.slope.ndim > 0 or form.slope.device.type != "cpu"):
        return False
    if anchors.device.type != "cpu":
        return False
    longest = [float(torch.linalg.vector_norm(rows, dim=1).max()) for rows in (anchors, keys)]
    slope = form.slope.item() if isinstance(form.slope, Tensor) else form.slope
    return slope >= CommonSoftmax.LOWEST_SLOPE and slope * longest[0] * longest[1] <= CommonSoftmax.HIGHEST_LOGIT


def _common_softmax(form: LogShortfall, like: Tensor, parameters: tuple[Tensor, ...]) -> Reducer:
    slope = parameters[0] if parameters else form.slope
    kernels = kernels_for(like)
    return CommonSoftmax(slope, like) if kernels is None else FusedCommonSoftmax(kernels, slope, like)


def _log_shortfall_sum(form: LogShortfall, like: Tensor, parameters: tuple[Tensor, ...]) -> Reducer:
    those = iter(parameters)
    slope, power = (next(those) if isinstance(value, Tensor) else value for value in (form.slope, form.power))
    member, kernels = LogShortfall(slope, power, form.endpoint), kernels_for(like)
    if kernels is None or not FusedLogShortfallSum.serves(member):
        return LogShortfallSum(member, like)
    return FusedLogShortfallSum(kernels, member, like)


def _exceedance_adder(threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceAdder:
    kernels = kernels_for(threshold)
    return ExceedanceAdder(threshold, endpoint) if kernels is None else FusedExceedances(kernels, threshold, endpoint)


def _link_log_sum(link: Link, contrast: Contrast, parameters: tuple[Tensor, ...]) -> Reducer:
    return LinkLogSum(link, parameters, contrast.weight, contrast.anchors)


def _link_sum(link: Link, contrast: Contrast, parameters: tuple[Tensor, ...]) -> Reducer:
    return LinkSum(link, parameters, contrast.weight, contrast.anchors)


def _no_reducer(parameters: tuple[Tensor, ...]) -> Reducer:
    raise NotImplementedError
