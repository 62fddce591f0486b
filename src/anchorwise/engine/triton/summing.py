"""Sums over rows, and logarithms of sums of exponentials, as differentiable functions.

Scores are computed again backward: their gradients need the rows' sums.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.engine.second_order import once_differentiable
from anchorwise.engine.triton.gradients import gradients_kernel
from anchorwise.engine.triton.launching import launch
from anchorwise.engine.triton.log_sums import log_sums_kernel
from anchorwise.engine.triton.problem import Problem
from anchorwise.engine.triton.rows import Rows
from anchorwise.engine.triton.term_sums import term_sums_kernel
from anchorwise.links.base import Parameter

# a = anchors, k = keys, d = embedding width, s = numbers of an anchor

# Logits of a slope below this one differ by less than 80: their exponentials are all float32 numbers, whatever they are
# relative to.
_MOST_SLOPE = 40.0


@dataclass(frozen=True)
class Link:
    """What kernels compute of a score.

    Attributes:
        first: A number, one float32 number for all anchors, or one for each.
        second: The same.
        endpoint: Where scores end.
        term: The kernel's function of a score and these numbers; None for the exponential of
            `first * s - second * log(endpoint - s)`.
    """

    first: Parameter
    second: Parameter
    endpoint: float
    term: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether a pair's slope is the same from both sides but for the anchors' factors.

        That of an exponential is where its numbers are known beforehand, and one shift serves all logits.
        """
        if self.term is not None:
            return max(_stride(self.first), _stride(self.second)) <= 0
        return not self.has_power and not isinstance(self.first, Tensor) and 0.0 < abs(self.first) < _MOST_SLOPE

    @property
    def has_power(self) -> bool:
        """Whether there is a logarithm in an exponential."""
        return self.term is None and (isinstance(self.second, Tensor) or self.second != 0.0)

    @property
    def options(self) -> dict[str, Any]:
        """What kernels are compiled for."""
        return {"FIRST_STRIDE": _stride(self.first), "SECOND_STRIDE": _stride(self.second)}


def _stride(parameter: Parameter) -> int:
    return parameter.ndim if isinstance(parameter, Tensor) else -1


@dataclass(frozen=True)
class Sums:
    """What gradients need of sums of exponentials; nothing of other sums.

    Attributes:
        numbers: Of every anchor what logits of base 2 are relative to, the inverse of the sum of their exponentials,
            and, where it is computed again, the hardest score.
        hardest_at: Its key; -1 in rows without keys.
    """

    numbers: Float[Tensor, "s a"]
    hardest_at: Int[Tensor, " a"]


@dataclass(frozen=True)
class Reduction:
    """A sum over the rows of a problem's scores."""

    problem: Problem
    link: Link

    @property
    def rescores(self) -> bool:
        """Whether the hardest scores are computed again, since exponentials of rounded ones would be far off.

        Where one shift serves all logits, rounding moves none of them by more than 0.04.
        """
        return self.problem.is_coarse and self.link.term is None and not self.link.is_plain

    def forward(self) -> tuple[Float[Tensor, " a"], Sums]:
        """Return the sums, or their logarithms, and what their gradients need."""
        anchors, keys, left_out = self.problem.anchors, self.problem.keys, self.problem.left_out
        num_exact = len(anchors) if self.rescores else 0
        values = anchors.exact.new_empty(len(anchors))
        numbers = anchors.exact.new_empty(0 if self.link.term else 3 if num_exact else 2, len(anchors))
        sums = Sums(numbers, anchors.exact.new_empty(num_exact, dtype=torch.int32))
        if not len(anchors):
            return values, sums
        blocks = self.problem.blocks(len(anchors), has_gradient=False, is_plain=self.link.is_plain)
        parts, ids = (anchors.parts, keys.parts), (left_out.anchor_ids, left_out.key_ids)
        numbers_of_link = (self.link.first, self.link.second)
        shape = (len(anchors), len(keys), anchors.num_padded, keys.num_padded)
        given = (*shape, left_out.first_anchor, left_out.period, self.link.endpoint)
        options = {**self.problem.options, **self.link.options, **blocks.options}
        grid = (triton.cdiv(len(anchors), blocks.rows),)
        if self.link.term is not None:
            launch(
                term_sums_kernel, grid, *parts, *numbers_of_link, *ids, values, *given, TERM=self.link.term, **options
            )
            return values, sums
        launch(
            log_sums_kernel,
            grid,
            *(*parts, anchors.exact, keys.exact, *numbers_of_link, *ids, values, sums.numbers, sums.hardest_at, *given),
            **options,
            WIDTH=anchors.width,
            HAS_POWER=self.link.has_power,
            IS_PLAIN=self.link.is_plain,
            RESCORES=self.rescores,
        )
        return values, sums

    def by_anchors(
        self, sums: Sums, upstream: Float[Tensor, " a"], due: tuple[bool, bool, bool]
    ) -> tuple[Float[Tensor, "a d"], Float[Tensor, "2 a"]]:
        """Return the gradients by anchors, and by every anchor's numbers; by rows in both roles, if they are keys too.

        What is not due, of rows, first and second numbers, is arbitrary.
        """
        anchors = self.problem.anchors
        by_anchors, by_numbers = torch.empty_like(anchors.exact), anchors.exact.new_empty(2, len(anchors))
        roles = {"ARE_ANCHORS": True, "ARE_KEYS": self.problem.is_symmetric}
        due_by = dict(zip(("BY_ROWS", "BY_FIRST", "BY_SECOND"), due, strict=True))
        if any(due):
            self._backward((anchors, self.problem.keys), sums, upstream, (by_anchors, by_numbers), roles | due_by)
        return by_anchors, by_numbers

    def by_keys(self, sums: Sums, upstream: Float[Tensor, " a"]) -> Float[Tensor, "k d"]:
        """Return the gradients by keys.

        The kernel once more with the roles exchanged: each program has the keys as its rows and passes over the
        anchors, so the gradient of a key is added up in registers, without atomics, whose order would vary.
        """
        anchors, keys = self.problem.anchors, self.problem.keys
        by_keys = torch.empty_like(keys.exact)
        options = {"ARE_ANCHORS": False, "ARE_KEYS": True, "BY_ROWS": True, "BY_FIRST": False, "BY_SECOND": False}
        self._backward((keys, anchors), sums, upstream, (by_keys, by_keys), options)
        return by_keys

    def _backward(
        self,
        sides: tuple[Rows, Rows],
        sums: Sums,
        upstream: Float[Tensor, " a"],
        results: tuple[Tensor, Tensor],
        options: dict[str, bool],
    ) -> None:
        """Compute the gradients by the rows of the first side, in their roles as anchors and as keys of the other."""
        rows, others = sides
        if not len(rows):
            return
        left_out = self.problem.left_out if options["ARE_ANCHORS"] else self.problem.left_out.mirrored
        learns = options["BY_FIRST"] or options["BY_SECOND"]
        blocks = self.problem.blocks(len(rows), has_gradient=True, is_plain=self.link.is_plain, learns=learns)
        launch(
            gradients_kernel,
            (triton.cdiv(len(rows), blocks.rows), triton.cdiv(rows.width, blocks.span) if options["BY_ROWS"] else 1),
            *(rows.parts, others.parts, self.link.first, self.link.second, left_out.anchor_ids, left_out.key_ids),
            *(upstream, sums.numbers, sums.hardest_at, *results),
            *(len(rows), len(others), rows.num_padded, others.num_padded, upstream.stride(0)),
            *(left_out.first_anchor, left_out.period, self.link.endpoint),
            **self.problem.options,
            **self.link.options,
            **options,
            **blocks.options,
            TERM=self.link.term,
            IS_EXPONENTIAL=self.link.term is None,
            WIDTH=rows.width,
            HAS_POWER=self.link.has_power,
            IS_PLAIN=self.link.is_plain,
            RESCORES=self.rescores,
        )


class ReducedRows(torch.autograd.Function):
    """The sums of a reduction.

    Called as `apply(problem, link, anchors, keys, first, second)`: the link with its numbers detached, and the tensors
    that have gradients. The problem has its own copy of the rows.
    """

    @staticmethod
    def forward(
        ctx: Any, problem: Problem, link: Link, anchors: Tensor, keys: Tensor, first: Parameter, second: Parameter
    ) -> Float[Tensor, " a"]:
        """Return the sums."""
        values, sums = Reduction(problem, link).forward()
        ctx.reduction = Reduction(problem, link)
        tensors = [value if isinstance(value, Tensor) else None for value in (first, second)]
        ctx.save_for_backward(anchors, keys, *tensors, sums.numbers, sums.hardest_at)
        return values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        """Return the gradients, which refuse to be differentiated."""
        *sources, numbers, hardest_at = ctx.saved_tensors
        reduction, sums, upstream = ctx.reduction, Sums(numbers, hardest_at), grad_outputs[0].detach()
        of_anchors, of_keys, *of_numbers = ctx.needs_input_grad[2:]
        by_anchors, by_numbers = reduction.by_anchors(sums, upstream, (of_anchors, *of_numbers))
        due = [
            by_anchors if of_anchors else None,
            reduction.by_keys(sums, upstream) if of_keys and not reduction.problem.is_symmetric else None,
            *(
                _like(parameter, row) if wanted else None
                for parameter, row, wanted in zip(sources[2:], by_numbers, of_numbers, strict=True)
            ),
        ]
        known = [source for source in (*sources, grad_outputs[0]) if source is not None]
        return None, None, *once_differentiable(due, *known)


def _like(parameter: Tensor, of_anchors: Float[Tensor, " a"]) -> Tensor:
    """Return the gradient of a parameter, which one number for all anchors adds up."""
    return of_anchors if parameter.ndim else of_anchors.sum()
