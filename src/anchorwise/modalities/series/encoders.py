"""Encoders of signals by name: channels over time in, one feature row per signal out."""

from collections.abc import Iterable
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import View
from anchorwise.modalities.sequences import signals_of, steps_there
from anchorwise.modalities.series.config import SeriesEncoderConfig
from anchorwise.modalities.series.layers import (
    Convolution,
    There,
    masked,
    mean_over_time,
    norm_of,
    strided,
)

# n = signals, c = channels, t = time steps, f = features

_SMALL_WIDTH = 32
_STEM_KERNEL, _KERNEL = 7, 5


@final
class SmallSeriesEncoder(nn.Module):
    """A convolution of stride 2, residual blocks of `width`, `2 * width` and `4 * width` channels, the mean over time.

    Args:
        width: Channels after the first convolution.
        norm: "batch" or "layer".
        num_channels: Of the signals.
    """

    def __init__(self, *, width: int, norm: str, num_channels: int) -> None:
        super().__init__()
        self.num_features = 4 * width
        self.stem, self.stem_norm = Convolution(num_channels, width, _STEM_KERNEL, stride=2), norm_of(norm, width)
        self.blocks = nn.ModuleList(
            [
                ResidualBlock(width, width, stride=1, norm=norm),
                ResidualBlock(width, 2 * width, stride=2, norm=norm),
                ResidualBlock(2 * width, 4 * width, stride=2, norm=norm),
            ]
        )

    def forward(self, view: View) -> Float[Tensor, "n f"]:
        """Return one feature row per signal."""
        signals, lengths = signals_of(view)
        there = None if lengths is None else steps_there(lengths, signals.shape[2])
        maps, there = self.stem(signals), strided(there, 2)
        maps = torch.relu(self.stem_norm(maps, there))
        for block in cast(Iterable[ResidualBlock], self.blocks):
            maps, there = block(maps, there)
        return mean_over_time(maps, there)


@final
class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is one of kernel 1 where the shape changes.

    Args:
        num_inputs: Channels in.
        num_outputs: Channels out.
        stride: Of the first convolution.
        norm: "batch" or "layer".
    """

    def __init__(self, num_inputs: int, num_outputs: int, *, stride: int, norm: str) -> None:
        super().__init__()
        self.stride = stride
        self.first, self.first_norm = (
            Convolution(num_inputs, num_outputs, _KERNEL, stride=stride),
            norm_of(norm, num_outputs),
        )
        self.second, self.second_norm = Convolution(num_outputs, num_outputs, _KERNEL), norm_of(norm, num_outputs)
        is_other = stride != 1 or num_inputs != num_outputs
        self.shortcut = Convolution(num_inputs, num_outputs, 1, stride=stride) if is_other else nn.Identity()
        self.shortcut_norm = norm_of(norm, num_outputs) if is_other else None

    def forward(self, maps: Float[Tensor, "n _c _t"], there: There) -> tuple[Float[Tensor, "n _c2 _t2"], There]:
        """Return the block's maps, and which of their steps are there."""
        maps, after = masked(maps, there), strided(there, self.stride)
        inner = masked(torch.relu(self.first_norm(self.first(maps), after)), after)
        beside = self.shortcut(maps)
        if self.shortcut_norm is not None:
            beside = self.shortcut_norm(beside, after)
        return torch.relu(self.second_norm(self.second(inner), after) + beside), after


def build_encoder(config: SeriesEncoderConfig, *, num_channels: int) -> Encoder:
    """Return a freshly initialised encoder; the weights come from torch's global generator.

    Args:
        config: Which encoder.
        num_channels: Channels of the signals.
    """
    if config.name == "small":
        width = config.width or _SMALL_WIDTH
        small = SmallSeriesEncoder(width=width, norm=config.norm, num_channels=num_channels)
        return Encoder(small, num_features=small.num_features)
    from anchorwise.modalities.series.efficientnet import EfficientNet1D

    network = EfficientNet1D(norm=config.norm, num_channels=num_channels)
    return Encoder(network, num_features=network.num_features)
