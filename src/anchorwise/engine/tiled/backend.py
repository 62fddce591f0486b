"""The engine's calls, answered tile by tile."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.base import Backend, Keys, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.tiled.any_link import LinkLogSum, LinkSum
from anchorwise.engine.tiled.attention import attend
from anchorwise.engine.tiled.chosen import chosen_scores
from anchorwise.engine.tiled.common_softmax import CommonSoftmax
from anchorwise.engine.tiled.exceedances import ExceedanceAdder
from anchorwise.engine.tiled.grid import Grid, Tile
from anchorwise.engine.tiled.log_shortfall import LogShortfallSum
from anchorwise.engine.tiled.pairs_left import PairsLeft
from anchorwise.engine.tiled.reducer import Reducer
from anchorwise.engine.tiled.reduction import Reduction
from anchorwise.engine.tiled.space import Space
from anchorwise.engine.tiled.tails import PooledTail, WholeRows, largest, largest_with_keys
from anchorwise.links import Link
from anchorwise.links.base import LogShortfall

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points

# Scores of whole rows that are in memory at once, for each lane; elsewhere as many as a tile has.
_NUM_WHOLE_ROW_SCORES = 2**20


@final
@dataclass(frozen=True)
class Tiled(Backend):
    """Memory that grows with the embeddings: scores exist a tile at a time and are computed again for the gradient.

    Where the anchors are the keys, a tile serves its mirror image too. Tiles are worked on at once, one thread each,
    and dealt to the ranks that share the rows. Second derivatives are refused.

    Args:
        size: Anchors and keys of a tile at most; None chooses by number of rows and device.
    """

    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            _checks.count("size", self.size)

    def logsumexp_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of weight * exp(link(score)))."""
        make, parameters = _log_sum(anchors, keys, link)
        return self._reduction(anchors, keys, make)(anchors, keys.rows, parameters)

    def sum_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        make = partial(_link_sum, link, keys, anchors.detach())
        return self._reduction(anchors, keys, make)(anchors, keys.rows, link.parameters)

    def attend_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, values: Float[Tensor, "k e"], link: Link
    ) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        make = partial(_link_log_sum, link, keys, anchors.detach())
        fixed = tuple(parameter.detach() for parameter in link.parameters)
        return self._reduction(anchors, keys, lambda _: make(fixed)).fitting(
            lambda fit: attend(fit, anchors, keys.rows, values), anchors.device
        )

    def scores_at(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
    ) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with its chosen keys."""
        return chosen_scores(anchors, keys, chosen)

    @torch.no_grad()
    def tail_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        scores = anchors.new_zeros(len(anchors), num_tail)
        chosen = torch.zeros(scores.shape, dtype=torch.int64, device=anchors.device)

        def step(rows: slice, of_rows: Tensor) -> None:
            scores[rows], chosen[rows] = largest_with_keys(of_rows, num_tail)

        _whole_rows(anchors, keys).visit(step)
        if keys.ranks is not None:
            keys.ranks.add_up(scores, chosen)
        return Tail(scores, chosen)

    @torch.no_grad()
    def tail_summaries(
        self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int, summary: Summary
    ) -> Float[Tensor, "a s"]:
        """Return the summary of every row's tail; tails exist for some rows at a time."""
        width = summary(anchors.new_zeros(1, num_tail)).shape[1]
        return _whole_rows(anchors, keys).collect(width, lambda scores: summary(largest(scores, num_tail)))

    @torch.no_grad()
    def pooled_tail(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        pool = PooledTail(num_tail, anchors)
        _whole_rows(anchors, keys).visit(lambda _, scores: pool.add(scores))
        if keys.ranks is None:
            return pool.value()
        own = anchors.new_full((num_tail,), -torch.inf)
        mine = pool.value()
        own[: len(mine)] = mine
        return keys.ranks.joined(own).topk(num_tail).values

    @torch.no_grad()
    def exceedance_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, threshold: Float[Tensor, " a"], endpoint: float
    ) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""

        def run(fit: Reduction) -> ExceedanceSums:
            adder, space = ExceedanceAdder(threshold, endpoint), Space(anchors)

            def add(tile: Tile) -> None:
                sides = fit.pairs.sides(tile)
                if sides:
                    adder.add(space.products(anchors[tile.anchors], keys.rows[tile.keys]), sides, space)

            fit.visit(add, anchors.device)
            return adder.sums(fit.ranks)

        return self._reduction(anchors, keys, _no_reducer).fitting(run, anchors.device)

    def _reduction(self, anchors: Tensor, keys: Keys, make: Callable[[tuple[Tensor, ...]], Reducer]) -> Reduction:
        size = self.size or tile_size(len(anchors), anchors.device)
        symmetric = keys.rows is anchors
        grid = Grid(len(anchors), len(keys.rows), symmetric, (size, size))
        return Reduction(grid, PairsLeft(keys.exclude, keys.only), make, keys.ranks, keys.watch)


def tile_size(num_anchors: int, device: torch.device) -> int:
    """Return how many rows and columns the tiles of so many anchors have."""
    # As measured on CPUs (benchmarks/results): larger tiles leave the cache, smaller ones cost more calls. Elsewhere
    # calls are launches, which a tile must be large to outweigh.
    if device.type != "cpu":
        return 4096
    return 256 if num_anchors <= 1024 else 512


def _whole_rows(anchors: Tensor, keys: Keys) -> WholeRows:
    num_scores = _NUM_WHOLE_ROW_SCORES if anchors.device.type == "cpu" else tile_size(len(anchors), anchors.device) ** 2
    return WholeRows(anchors, keys.rows, PairsLeft(keys.exclude, keys.only), num_scores, keys.ranks)


def _log_sum(
    anchors: Tensor, keys: Keys, link: Link
) -> tuple[Callable[[tuple[Tensor, ...]], Reducer], tuple[Tensor, ...]]:
    """Return what makes the reducer that fits the link, and the tensors it is made of."""
    form, like = link.log_shortfall, anchors.detach()
    if form is None or keys.weight is not None:
        return partial(_link_log_sum, link, keys, like), link.parameters
    parameters = tuple(value for value in (form.slope, form.power) if isinstance(value, Tensor))
    if _is_small(form, like, keys.rows.detach()):
        return partial(_common_softmax, form, like), parameters
    return partial(_log_shortfall_sum, form, like), parameters


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
    return CommonSoftmax(slope, like)


def _log_shortfall_sum(form: LogShortfall, like: Tensor, parameters: tuple[Tensor, ...]) -> Reducer:
    those = iter(parameters)
    slope, power = (next(those) if isinstance(value, Tensor) else value for value in (form.slope, form.power))
    return LogShortfallSum(LogShortfall(slope, power, form.endpoint), like)


def _link_log_sum(link: Link, keys: Keys, like: Tensor, parameters: tuple[Tensor, ...]) -> Reducer:
    return LinkLogSum(link, parameters, keys.weight, like)


def _link_sum(link: Link, keys: Keys, like: Tensor, parameters: tuple[Tensor, ...]) -> Reducer:
    return LinkSum(link, parameters, keys.weight, like)


def _no_reducer(parameters: tuple[Tensor, ...]) -> Reducer:
    raise NotImplementedError
