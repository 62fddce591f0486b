"""EfficientNet over time: the encoder that the wearables' source trains, as far as it is described.

Source: Tan and Le 2019, "EfficientNet", Table 1 (B0), https://arxiv.org/abs/1905.11946, with convolutions over time;
its use for wearables: Abbaspourazad et al. 2024, https://arxiv.org/abs/2312.05409: sixteen blocks, time 64 times
shorter, 256 features.
"""

from collections.abc import Iterable
from typing import cast, final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.samples import View
from anchorwise.modalities.sequences import signals_of, steps_there
from anchorwise.modalities.series.layers import Convolution, There, masked, mean_over_time, norm_of, strided

# n = signals, c = channels, t = time steps, f = features

_STEM_WIDTH, _NUM_FEATURES = 32, 256
# Channels, blocks, kernel, stride of the first block, expansion; B0's, with one stride more.
_STAGES = (
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 2, 6),
)
_SQUEEZE = 4


@final
class EfficientNet1D(nn.Module):
    """Sixteen inverted bottlenecks with squeeze and excitation, then the mean over time; drops no path.

    Args:
        norm: "batch" or "layer".
        num_channels: Of the signals.
    """

    num_features = _NUM_FEATURES

    def __init__(self, *, norm: str, num_channels: int) -> None:
        super().__init__()
        self.stem, self.stem_norm = Convolution(num_channels, _STEM_WIDTH, 3, stride=2), norm_of(norm, _STEM_WIDTH)
        width, blocks = _STEM_WIDTH, list[nn.Module]()
        for channels, num_blocks, kernel, stride, expansion in _STAGES:
            for number in range(num_blocks):
                of_first = stride if number == 0 else 1
                blocks.append(InvertedBottleneck(width, channels, kernel, of_first, expansion, norm))
                width = channels
        self.blocks = nn.ModuleList(blocks)
        self.last, self.last_norm = Convolution(width, _NUM_FEATURES, 1), norm_of(norm, _NUM_FEATURES)

    def forward(self, view: View) -> Float[Tensor, "n f"]:
        """Return one feature row per signal."""
        signals, lengths = signals_of(view)
        there = None if lengths is None else steps_there(lengths, signals.shape[2])
        maps, there = self.stem(signals), strided(there, 2)
        maps = F.silu(self.stem_norm(maps, there))
        for block in cast(Iterable[InvertedBottleneck], self.blocks):
            maps, there = block(maps, there)
        return mean_over_time(F.silu(self.last_norm(self.last(maps), there)), there)


@final
class InvertedBottleneck(nn.Module):
    """Wider, over time channel by channel, weighed channel by channel, narrower; a shortcut where the shape stays.

    Args:
        num_inputs: Channels in.
        num_outputs: Channels out.
        kernel: Steps that it looks at.
        stride: Of the convolution over time.
        expansion: How many times wider it is inside.
        norm: "batch" or "layer".
    """

    def __init__(self, num_inputs: int, num_outputs: int, kernel: int, stride: int, expansion: int, norm: str) -> None:
        super().__init__()
        inner, squeezed = num_inputs * expansion, max(1, num_inputs // _SQUEEZE)
        self.stride, self.is_shortcut = stride, stride == 1 and num_inputs == num_outputs
        self.widen = Convolution(num_inputs, inner, 1) if expansion > 1 else None
        self.widen_norm = norm_of(norm, inner) if expansion > 1 else None
        self.over_time, self.time_norm = (
            Convolution(inner, inner, kernel, stride=stride, groups=inner),
            norm_of(norm, inner),
        )
        self.weigh = nn.Sequential(nn.Linear(inner, squeezed), nn.SiLU(), nn.Linear(squeezed, inner), nn.Sigmoid())
        self.narrow, self.narrow_norm = Convolution(inner, num_outputs, 1), norm_of(norm, num_outputs)

    def forward(self, maps: Float[Tensor, "n _c _t"], there: There) -> tuple[Float[Tensor, "n _c2 _t2"], There]:
        """Return the block's maps, and which of their steps are there."""
        inner = maps
        if self.widen is not None and self.widen_norm is not None:
            inner = F.silu(self.widen_norm(self.widen(inner), there))
        after = strided(there, self.stride)
        inner = F.silu(self.time_norm(self.over_time(masked(inner, there)), after))
        inner = inner * self.weigh(mean_over_time(inner, after)).unsqueeze(2)
        made = self.narrow_norm(self.narrow(inner), after)
        return (made + maps if self.is_shortcut else made), after
