"""Sums of exponentials as a differentiable function: forward, and backward with recomputation."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.engine.log_sum import SoftmaxGradient
from anchorwise.engine.second_order import once_differentiable
from anchorwise.engine.triton.gradients import NeedsGradient, RowNumbers, gradients_of
from anchorwise.engine.triton.setting import Setting
from anchorwise.engine.triton.sums import sums_of
from anchorwise.links.base import Parameter

# a = anchors, k = keys, d = embedding width


class LogSumExpRows(torch.autograd.Function):
    """`log sum over keys of exp(slope * s - power * log(endpoint - s))`.

    Called as `apply(setting, anchors, keys, slope, power)`; keys are None where they are the anchors, and every score
    is then computed once for both gradients. Scores are computed again backward: their gradients need the rows' sums.
    """

    @staticmethod
    def forward(
        ctx: Any, setting: Setting, anchors: Tensor, keys: Tensor | None, slope: Parameter, power: Parameter
    ) -> Float[Tensor, " a"]:
        """Return the logarithms."""
        value, sums = sums_of(setting, anchors, anchors if keys is None else keys, _numbers(anchors, slope, power))
        tensors = [value if isinstance(value, Tensor) else None for value in (slope, power)]
        ctx.setting = setting
        ctx.fixed = [value if tensor is None else None for value, tensor in zip((slope, power), tensors, strict=True)]
        ctx.save_for_backward(anchors, keys, *tensors, *vars(sums).values())
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:
        """Return the gradients, which refuse to be differentiated."""
        anchors, keys, *parameters, running_max, running_sum, hardest, hardest_at = ctx.saved_tensors
        slope, power = (
            value if tensor is None else tensor for value, tensor in zip(ctx.fixed, parameters, strict=True)
        )
        softmax = SoftmaxGradient.of((running_max, running_sum), grad_outputs[0].detach())
        numbers = torch.cat([_numbers(anchors, slope, power), torch.stack([softmax.shift, softmax.factor])])
        rows = anchors.detach()
        wanted = NeedsGradient(*ctx.needs_input_grad[1:])
        by_anchors, by_keys, by_numbers = gradients_of(
            ctx.setting, rows, rows if keys is None else keys.detach(), RowNumbers(numbers, hardest, hardest_at), wanted
        )
        gradients = [by_anchors, by_keys, _like(slope, by_numbers[0]), _like(power, by_numbers[1])]
        due = [part if wants else None for part, wants in zip(gradients, ctx.needs_input_grad[1:], strict=True)]
        sources = [tensor for tensor in (anchors, keys, *parameters) if tensor is not None]
        return None, *once_differentiable(due, *sources, grad_outputs[0])


@torch.no_grad()
def _numbers(anchors: Float[Tensor, "a d"], slope: Parameter, power: Parameter) -> Float[Tensor, "2 a"]:
    """Return slope times log2(e), and power, of every anchor."""
    numbers = anchors.new_empty(2, len(anchors))
    numbers[0], numbers[1] = slope, power
    numbers[0] *= math.log2(math.e)
    return numbers


def _like(parameter: Parameter, of_anchors: Float[Tensor, " a"]) -> Tensor | None:
    """Return the gradient of a parameter, which one number for all anchors adds up."""
    if not isinstance(parameter, Tensor):
        return None
    return (of_anchors if parameter.ndim else of_anchors.sum()).to(parameter.dtype)
