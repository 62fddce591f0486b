"""The momentum encoder: a copy that follows a trained network as a moving average of its weights.

Source: He et al. 2019, "Momentum Contrast for Unsupervised Visual Representation Learning", Eq. 2,
https://arxiv.org/abs/1911.05722; the rising momentum: Grill et al. 2020, "Bootstrap Your Own Latent", Section 3.2,
https://arxiv.org/abs/2006.07733.
"""

import copy
import math
from typing import Any, final

import torch
from torch import Tensor, nn


@final
class MomentumTwin(nn.Module):
    """A copy of a network that no gradient reaches: parameters are averaged over steps, buffers are its own.

    In training mode its batch normalisation takes the statistics of its own batches, as in all released codes.

    Args:
        online: The trained network; the copy starts with its weights.
    """

    def __init__(self, online: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(online).requires_grad_(False)

    @torch.no_grad()
    def forward(self, view: Any) -> Tensor:
        """Return what the copy makes of a view, without a graph."""
        return self.network(view)

    @torch.no_grad()
    def follow(self, online: nn.Module, momentum: float) -> None:
        """Move every parameter to `momentum * own + (1 - momentum) * online`.

        Args:
            online: The network that this is a copy of.
            momentum: In [0, 1]; 0 copies, 1 stays.
        """
        _move(list(self.network.parameters()), list(online.parameters()), 1.0 - momentum)

    @torch.no_grad()
    def average(self, online: nn.Module, momentum: float) -> None:
        """Move parameters and buffers alike, for a copy that sees no batches of its own; counts are copied.

        Source: running statistics are averaged as in timm's ModelEmaV2.
        """
        self.follow(online, momentum)
        own, other = list(self.network.buffers()), list(online.buffers())
        floating = [index for index, buffer in enumerate(own) if buffer.is_floating_point()]
        counts = [index for index, buffer in enumerate(own) if not buffer.is_floating_point()]
        _move([own[index] for index in floating], [other[index] for index in floating], 1.0 - momentum)
        for index in counts:
            own[index].copy_(other[index])


def _move(own: list[Tensor], other: list[Tensor], share: float) -> None:
    """Move tensors by a share of the way to others; on a GPU all of them in a few launches."""
    if own:
        torch._foreach_lerp_(own, other, share)  # pyright: ignore[reportPrivateImportUsage]


def early_momentum(most: float, step: int) -> float:
    """Return the momentum of a step whose copy has not forgotten where it began: an average over a tenth of the steps.

    Source: num_updates of TensorFlow's ExponentialMovingAverage, min(decay, (1 + step) / (10 + step)).

    Args:
        most: Of all later steps, in [0, 1].
        step: Counted from 0.
    """
    return min(most, (1.0 + step) / (10.0 + step))


def rising_momentum(start: float, step: int, num_steps: int) -> float:
    """Return the momentum of a step on its way along half a cosine from `start` to 1.

    Args:
        start: At step 0, in [0, 1].
        step: Counted from 0.
        num_steps: Of the whole training.
    """
    return 1.0 - (1.0 - start) * (1.0 + math.cos(math.pi * step / num_steps)) / 2.0
