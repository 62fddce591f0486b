"""A reduction of rows of scores that are never all there: forward and backward, tile by tile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.memory import is_out_of_memory, too_large
from anchorwise.engine.tiled.grid import Grid, Tile
from anchorwise.engine.tiled.lanes import work
from anchorwise.engine.tiled.pairs_left import PairsLeft
from anchorwise.engine.tiled.reducer import Reducer
from anchorwise.engine.tiled.space import Space

# a = anchors, k = keys, d = embedding width

Result = TypeVar("Result")


@dataclass(frozen=True)
class Reduction:
    """What is reduced and how.

    Attributes:
        grid: The tiles.
        pairs: Which pairs count.
        make: Makes the reducer from the link's parameters that are tensors.
    """

    grid: Grid
    pairs: PairsLeft
    make: Callable[[tuple[Tensor, ...]], Reducer]

    def __call__(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], parameters: tuple[Tensor, ...]
    ) -> Float[Tensor, " a"]:
        """Return the reduction with gradients to anchors, keys and parameters; second derivatives are refused."""
        return _Reduce.apply(self, anchors, None if self.grid.symmetric else keys, *parameters)

    def fitting(self, run: Callable[["Reduction"], Result], device: torch.device) -> Result:
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
            raise too_large(self.grid.smaller(), device) from error

    def visit(self, step: Callable[[Tile], None], device: torch.device) -> None:
        """Take the step for each tile."""
        work(self.grid.rounds(), step, device, at_once=self.grid.is_large)

    def reduce(self, reducer: Reducer, anchors: Tensor, keys: Tensor) -> Float[Tensor, " a"]:
        """Return the reduction, without gradient."""
        space = Space(anchors)

        def add(tile: Tile) -> None:
            sides = self.pairs.sides(tile)
            if sides:
                scores = space.products(anchors[tile.anchors], keys[tile.keys], reducer.scale)
                reducer.add(scores, sides, space)

        self.visit(add, anchors.device)
        return reducer.value()

    def gradients(self, reducer: Reducer, anchors: Tensor, keys: Tensor, wanted: tuple[bool, bool]) -> list[Tensor]:
        """Return the gradients by anchors and by keys; those that are not wanted are empty."""
        space = Space(anchors)
        by_anchors = torch.zeros_like(anchors if wanted[0] else anchors[:0])
        by_keys = by_anchors if self.grid.symmetric else torch.zeros_like(keys if wanted[1] else keys[:0])
        # A tile on the diagonal is its own mirror image: seen from both sides its slopes come symmetric, for one
        # product instead of two. Parameters would then be counted twice.
        both_sides = self.grid.symmetric and not any(reducer.parameter_gradients)

        def add(tile: Tile) -> None:
            diagonal = self.grid.symmetric and tile.anchors == tile.keys
            sides = self.pairs.sides(replace(tile, mirrored=tile.mirrored or (diagonal and both_sides)))
            if not sides:
                return
            scores = space.products(anchors[tile.anchors], keys[tile.keys], reducer.scale)
            slopes = reducer.slopes(scores, sides, space)
            if diagonal and not both_sides:
                slopes = slopes + slopes.T
            if len(by_anchors):
                by_anchors[tile.anchors].addmm_(slopes, keys[tile.keys])
            if len(by_keys) and not diagonal:
                by_keys[tile.keys].addmm_(slopes.T, anchors[tile.anchors])

        self.visit(add, anchors.device)
        return [by_anchors, by_keys]


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, reduction: Reduction, anchors: Tensor, keys: Tensor | None, *parameters: Tensor
    ) -> Float[Tensor, " a"]:
        all_keys = anchors if keys is None else keys

        def run(fit: Reduction) -> tuple[Tensor, tuple[Tensor, ...]]:
            reducer = fit.make(parameters)
            return fit.reduce(reducer, anchors, all_keys), reducer.kept

        value, kept = reduction.fitting(run, anchors.device)
        ctx.reduction, ctx.num_kept = reduction, len(kept)
        ctx.save_for_backward(*kept, anchors, keys, *parameters)
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        kept, (anchors, keys, *parameters) = ctx.saved_tensors[: ctx.num_kept], ctx.saved_tensors[ctx.num_kept :]
        wanted, learned = ctx.needs_input_grad[1:3], ctx.needs_input_grad[3:]
        marked = [given.detach().requires_grad_(wants) for given, wants in zip(parameters, learned, strict=True)]
        detached = anchors.detach()

        def run(fit: Reduction) -> list[Tensor | None]:
            reducer = fit.make(tuple(marked))
            reducer.start_slopes(kept, grad_outputs[0].detach())
            by_rows = fit.gradients(reducer, detached, detached if keys is None else keys.detach(), wanted)
            by_parameters = [gradient and gradient.value() for gradient in reducer.parameter_gradients]
            return [*(part if wants else None for part, wants in zip(by_rows, wanted, strict=True)), *by_parameters]

        gradients = ctx.reduction.fitting(run, anchors.device)
        return None, *once(gradients, anchors, *([] if keys is None else [keys]), *parameters, grad_outputs[0])


def once(gradients: Sequence[Tensor | None], *sources: Tensor) -> list[Tensor | None]:
    """Return gradients that refuse to be differentiated by the `sources` that they are made of."""
    if not torch.is_grad_enabled():
        return [*gradients]
    return [None if gradient is None else _Once.apply(gradient, *sources) for gradient in gradients]


class _Once(torch.autograd.Function):
    """Hand a gradient on, and refuse to be differentiated."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, ...]:
        raise RuntimeError(
            "this backend has no second derivatives, since it keeps no scores; for them compute the loss under "
            'anchorwise.engine.use_backend("dense")'
        )
