"""Gradients that cannot be differentiated: what keeps no scores has no second derivatives."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def once_differentiable(gradients: Sequence[Tensor | None], *sources: Tensor) -> list[Tensor | None]:
    """Return gradients that refuse to be differentiated by the `sources` that they are made of."""
    if not torch.is_grad_enabled():
        return [*gradients]
    return [None if gradient is None else _OnceDifferentiable.apply(gradient, *sources) for gradient in gradients]


class _OnceDifferentiable(torch.autograd.Function):
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
