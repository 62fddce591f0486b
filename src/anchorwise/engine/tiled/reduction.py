"""A reduction of rows of scores that are never all there: forward and backward, tile by tile."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.memory import free_bytes, is_out_of_memory
from anchorwise.engine.second_order import once_differentiable
from anchorwise.engine.tiled.grid import Grid, Tile
from anchorwise.engine.tiled.masking import PairMask
from anchorwise.engine.tiled.reducer import Reducer
from anchorwise.engine.tiled.worker_threads import for_each_tile, num_workers
from anchorwise.engine.tiled.workspace import Workspace

# a = anchors, k = keys, d = embedding width

Result = TypeVar("Result")

# Buffers of a tile's size that a worker thread has at most.
_NUM_BUFFERS = 6


@dataclass(frozen=True)
class Reduction:
    """What is reduced and how.

    Attributes:
        grid: The tiles.
        mask: Which pairs count.
        new_reducer: Makes the reducer from the link's parameters that are tensors.
    """

    grid: Grid
    mask: PairMask
    new_reducer: Callable[[tuple[Tensor, ...]], Reducer]

    def __call__(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], parameters: tuple[Tensor, ...]
    ) -> Float[Tensor, " a"]:
        """Return the reduction with gradients to anchors, keys and parameters; second derivatives are refused."""
        return _Reduce.apply(self, anchors, None if self.grid.symmetric else keys, *parameters)

    def with_smaller_tiles_if_needed(self, run: Callable[["Reduction"], Result], device: torch.device) -> Result:
        """Run with these tiles; where they do not fit into memory, once more with smaller ones.

        Raises:
            MemoryError: If those do not fit either.
        """
        try:
            return run(self)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        try:
            return run(replace(self, grid=self.grid.smaller()))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise _too_large(self.grid.smaller(), device) from error

    def visit(self, step: Callable[[Tile], None], device: torch.device) -> None:
        """Take the step for each tile."""
        for_each_tile(self.grid.rounds(), step, device, at_once=self.grid.is_large)

    def reduce(
        self, reducer: Reducer, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"]
    ) -> Float[Tensor, " a"]:
        """Return the reduction, without gradient."""
        workspace = Workspace(anchors)

        def add(tile: Tile) -> None:
            sides = self.mask.sides(tile)
            if sides:
                scores = workspace.scores(anchors[tile.anchors], keys[tile.keys], reducer.scale)
                reducer.add(scores, sides, workspace)

        self.visit(add, anchors.device)
        return reducer.value()

    def gradients(
        self, reducer: Reducer, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], wanted: tuple[bool, bool]
    ) -> tuple[Float[Tensor, "_ d"], Float[Tensor, "_ d"]]:
        """Return the gradients by anchors and by keys; those that are not wanted have no rows.

        With G the gradient by the scores, they are `G @ keys` and `G.T @ anchors`. Where the anchors are the keys, the
        first has both parts and the second is the same tensor: a tile above the diagonal gives a row of each.
        """
        workspace = Workspace(anchors)
        by_anchors = torch.zeros_like(anchors if wanted[0] else anchors[:0])
        by_keys = by_anchors if self.grid.symmetric else torch.zeros_like(keys if wanted[1] else keys[:0])
        # A tile on the diagonal is its own mirror image: seen from both sides its gradient comes symmetric, for one
        # product instead of two. Parameters would then be counted twice.
        both_sides = self.grid.symmetric and not any(reducer.parameter_gradients)

        def add(tile: Tile) -> None:
            diagonal = self.grid.symmetric and tile.anchors == tile.keys
            sides = self.mask.sides(replace(tile, mirrored=tile.mirrored or (diagonal and both_sides)))
            if not sides:
                return
            scores = workspace.scores(anchors[tile.anchors], keys[tile.keys], reducer.scale)
            by_scores = reducer.score_gradients(scores, sides, workspace)
            if diagonal and not both_sides:
                by_scores = by_scores + by_scores.T
            # No two tiles of a round have a row in common, so these sums need no lock; and the order of the rounds is
            # that of every row's terms, whatever the number of threads.
            if len(by_anchors):
                by_anchors[tile.anchors].addmm_(by_scores, keys[tile.keys])
            if len(by_keys) and not diagonal:
                by_keys[tile.keys].addmm_(by_scores.T, anchors[tile.anchors])

        self.visit(add, anchors.device)
        return by_anchors, by_keys


def _too_large(grid: Grid, device: torch.device) -> MemoryError:
    """Return the error for tiles that do not fit, with the number of rows that would."""
    fits = math.isqrt(free_bytes(device) // (_NUM_BUFFERS * 4 * num_workers(device)))
    return MemoryError(
        f"tiles of {grid.size[0]} anchors x {grid.size[1]} keys do not fit into memory beside the embeddings; tiles of "
        f"about {fits} x {fits} would: anchorwise.engine.use_backend(anchorwise.engine.Tiled(size={max(fits, 1)}))"
    )


class _Reduce(torch.autograd.Function):
    """Two passes over the tiles: a score's gradient needs its row's sum, which is known when all scores have been seen.

    So the backward pass computes every score again. Keeping them would take the memory that tiles are there to save.
    """

    @staticmethod
    def forward(
        ctx: Any,
        reduction: Reduction,
        anchors: Float[Tensor, "a d"],
        keys: Float[Tensor, "k d"] | None,
        *parameters: Tensor,
    ) -> Float[Tensor, " a"]:
        all_keys = anchors if keys is None else keys

        def run(fitting: Reduction) -> tuple[Tensor, tuple[Tensor, ...]]:
            reducer = fitting.new_reducer(parameters)
            return fitting.reduce(reducer, anchors, all_keys), reducer.saved

        value, saved = reduction.with_smaller_tiles_if_needed(run, anchors.device)
        ctx.reduction, ctx.num_saved = reduction, len(saved)
        ctx.save_for_backward(*saved, anchors, keys, *parameters)
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Float[Tensor, " a"]) -> tuple[Any, ...]:
        saved, (anchors, keys, *parameters) = ctx.saved_tensors[: ctx.num_saved], ctx.saved_tensors[ctx.num_saved :]
        wanted, learnt = ctx.needs_input_grad[1:3], ctx.needs_input_grad[3:]
        marked = [given.detach().requires_grad_(wants) for given, wants in zip(parameters, learnt, strict=True)]
        detached = anchors.detach()

        def run(fitting: Reduction) -> list[Tensor | None]:
            reducer = fitting.new_reducer(tuple(marked))
            reducer.begin_backward(saved, grad_outputs[0].detach())
            by_rows = fitting.gradients(reducer, detached, detached if keys is None else keys.detach(), wanted)
            by_parameters = [gradient and gradient.value() for gradient in reducer.parameter_gradients]
            return [*(part if wants else None for part, wants in zip(by_rows, wanted, strict=True)), *by_parameters]

        gradients = ctx.reduction.with_smaller_tiles_if_needed(run, anchors.device)
        sources = (anchors, *([] if keys is None else [keys]), *parameters, grad_outputs[0])
        return None, *once_differentiable(gradients, *sources)
