"""Rows at length 1, whatever their scale and dtype, and what of their gradient goes on."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

# a = rows, d = embedding width


def unit_rows(rows: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
    """Scale every row to length 1 in float32 or wider; a row of zeros stays zero and passes its gradient on unscaled.

    Rows are first divided by their largest entry, so that squares neither overflow nor vanish at any scale of input.
    """
    wide = rows.double() if rows.dtype == torch.float64 else rows.float()
    scaled = wide / functional.threshold(_largest_entry(wide.detach()), 0.0, 1.0)  # 1 for a row of zeros.
    # A graph is differentiated as a whole, and takes nothing that is differentiable forward by a rule of its own.
    units, _ = _divided_by_length(scaled) if torch.compiler.is_compiling() else _DividedByLength.apply(scaled)
    return units


def stacked(rows: Sequence[Tensor], *, dim: int = 0) -> Tensor:
    """Return `torch.stack`, half precision widened before: on a CPU, autocast refuses the one that is not its own."""
    return torch.stack([each.float() if each.dtype.itemsize < 4 else each for each in rows], dim=dim)


def _largest_entry(rows: Tensor) -> Tensor:
    if rows.device.type == "cpu":  # Where that takes a tenth of the time, and two operations cost no more than one.
        return rows.abs().amax(dim=-1, keepdim=True)
    return torch.linalg.vector_norm(rows, ord=torch.inf, dim=-1, keepdim=True)


def _divided_by_length(scaled: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows of length 1, and the lengths before: at least 1, as the largest entry is, unless a row is 0."""
    length = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True).clamp_min(1.0)
    return scaled / length, length


class _DividedByLength(torch.autograd.Function):
    """`_divided_by_length` with a derivative of a few operations, where that of its steps has a dozen."""

    generate_vmap_rule = True
    forward = staticmethod(_divided_by_length)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)  # Hardly ever has the length a gradient.
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> Tensor | None:
        (units, length), (by_units, by_length) = ctx.saved_tensors, grad_outputs
        along = None if by_length is None else by_length * units
        if by_units is None:
            return along
        across = torch.addcmul(by_units, units, (by_units * units).sum(dim=-1, keepdim=True), value=-1.0) / length
        return across if along is None else across + along

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> tuple[Tensor, Tensor]:
        (units, length), (change,) = ctx.saved_tensors, grad_inputs
        along = (change * units).sum(dim=-1, keepdim=True)
        return torch.addcmul(change, units, along, value=-1.0) / length, along


def scale_gradient(rows: Float[Tensor, "a d"], share: float) -> Float[Tensor, "a d"]:
    """Return the rows unchanged; only `share` of the gradient goes through them."""
    held = rows.detach()
    return held + share * (rows - held)
