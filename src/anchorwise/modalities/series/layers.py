"""Layers over time that know which steps are there, so that how far a signal is padded changes none of its features."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

# n = signals, c = channels, t = time steps

There = Bool[Tensor, "n _t"] | None  # Layers change how many steps there are.


def masked(maps: Float[Tensor, "n c t"], there: There) -> Float[Tensor, "n c t"]:
    """Return maps with 0 where no step is, as a convolution sees it beyond the end of a signal."""
    return maps if there is None else maps * there.unsqueeze(1)


def mean_over_time(maps: Float[Tensor, "n c t"], there: There) -> Float[Tensor, "n c"]:
    """Return the mean over the steps that are there."""
    if there is None:
        return maps.mean(dim=2)
    return masked(maps, there).sum(dim=2) / there.sum(dim=1, keepdim=True)


@final
class Convolution(nn.Conv1d):
    """A convolution that keeps the number of steps, or halves it, without a bias.

    Args:
        num_inputs: Channels in.
        num_outputs: Channels out.
        kernel: Steps that it looks at, odd.
        stride: 1, or 2 to halve.
        groups: Channels apart from each other.
    """

    def __init__(self, num_inputs: int, num_outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(num_inputs, num_outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def strided(there: There, stride: int) -> There:
    """Return which steps are there behind a convolution of that stride: those whose middle is."""
    return None if there is None else there[:, ::stride]


@final
class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation by the statistics of the steps that are there."""

    def forward(self, maps: Float[Tensor, "n c t"], there: There = None) -> Float[Tensor, "n c t"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return normalised maps."""
        if there is None or not self.training:
            return super().forward(maps)
        count = there.sum().to(self.running_mean.dtype) if self.running_mean is not None else there.sum()
        mean = masked(maps, there).sum(dim=(0, 2), dtype=torch.float32) / count
        centred = maps - mean[:, None]
        variance = masked(centred, there).square().sum(dim=(0, 2), dtype=torch.float32) / count
        self._follow(mean.detach(), variance.detach() * (count / (count - 1).clamp_min(1)))
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None] + self.bias[:, None]

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        share = 0.1 if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(new.to(running.dtype), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


@final
class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every step."""

    def forward(self, maps: Float[Tensor, "n c t"], there: There = None) -> Float[Tensor, "n c t"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return normalised maps."""
        return super().forward(maps.transpose(1, 2)).transpose(1, 2)


def norm_of(name: str, num_channels: int) -> BatchNorm | LayerNorm:
    """Return the normalisation of that name."""
    return BatchNorm(num_channels) if name == "batch" else LayerNorm(num_channels)
