"""Rows at length 1, whatever their scale and dtype, and what of their gradient goes on."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise._precision import applied

# a = rows, d = embedding width


def unit_rows(rows: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
    """Scale every row to length 1 in float32 or wider; a row of zeros stays zero and passes its gradient on unscaled.

    Rows are first divided by their largest entry, so that squares neither overflow nor vanish at any scale of input.
    """
    wide = rows.double() if rows.dtype == torch.float64 else rows.float()
    # A graph is differentiated as a whole, and takes nothing that is differentiable forward by a rule of its own.
    made = _scaled_to_one(wide) if torch.compiler.is_compiling() else applied(_ScaledToOne, wide)
    return made[0]


def stacked(rows: Sequence[Tensor], *, dim: int = 0) -> Tensor:
    """Return `torch.stack`, half precision widened before: on a CPU, autocast refuses the one that is not its own."""
    return torch.stack([each.float() if each.dtype.itemsize < 4 else each for each in rows], dim=dim)


def _largest_entry(rows: Tensor) -> Tensor:
    if rows.device.type == "cpu":  # Where that takes a tenth of the time, and two operations cost no more than one.
        return rows.abs().amax(dim=-1, keepdim=True)
    return torch.linalg.vector_norm(rows, ord=torch.inf, dim=-1, keepdim=True)


def _scaled_to_one(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows of length 1, what they were divided by first, and their length then: at least 1, or 0 of zeros."""
    scale = torch.threshold(_largest_entry(rows.detach()), 0.0, 1.0)  # 1 for a row of zeros.
    scaled = rows / scale
    length = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True).clamp_min(1.0)
    return scaled / length, scale, length


class _ScaledToOne(torch.autograd.Function):
    """`_scaled_to_one` with a derivative of a few operations, where that of its steps has a dozen."""

    generate_vmap_rule = True
    forward = staticmethod(_scaled_to_one)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)  # Hardly ever has the length a gradient.
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> Tensor | None:
        (units, scale, length), (by_units, _, by_length) = ctx.saved_tensors, grad_outputs
        along = None if by_length is None else by_length * units / scale
        if by_units is None:
            return along
        across = torch.addcmul(by_units, units, (by_units * units).sum(dim=-1, keepdim=True), value=-1.0)
        across = across / length / scale
        return across if along is None else across + along

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> tuple[Tensor, None, Tensor]:
        (units, scale, length), (change,) = ctx.saved_tensors, grad_inputs
        change = change / scale
        along = (change * units).sum(dim=-1, keepdim=True)
        return torch.addcmul(change, units, along, value=-1.0) / length, None, along


def scale_gradient(rows: Float[Tensor, "a d"], share: float) -> Float[Tensor, "a d"]:
    """Return the rows unchanged; only `share` of the gradient goes through them."""
    held = rows.detach()
    return held + share * (rows - held)
