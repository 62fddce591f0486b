"""A small network over bands and time, whose features do not depend on what a recording is padded with."""

from itertools import pairwise
from typing import final

from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import View
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, steps_there
from anchorwise.modalities.speech.config import SpeechEncoderConfig

# b = recordings, m = bands, t = frames, f = features

_NUM_STRIDES = 3  # Convolutions of stride 2.


@final
class LogMelNet(nn.Module):
    """Three convolutions of stride 2 over bands and time, one over all bands that are left, and the mean over time.

    Behind every convolution what lies beyond a recording's end is set to 0, which is what there is beyond the end of a
    tensor: a recording has the same features beside any other, in evaluation mode.

    Args:
        num_mels: Bands.
        width: Channels after the first convolution.
    """

    def __init__(self, *, num_mels: int, width: int) -> None:
        super().__init__()
        widths = [1, *(width << stage for stage in range(_NUM_STRIDES))]
        self.num_features = 2 * widths[-1]
        self.strides = nn.ModuleList(
            _layer(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)) for before, after in pairwise(widths)
        )
        num_bands = -(-num_mels // (1 << _NUM_STRIDES))
        self.over_bands = _layer(nn.Conv2d(widths[-1], self.num_features, (num_bands, 1), bias=False))

    def forward(self, features: Float[Tensor, "b m t"], num_frames: Int64[Tensor, " b"]) -> Float[Tensor, "b f"]:
        """Return one feature row per recording."""
        maps = features.unsqueeze(1)
        for stride in self.strides:
            num_frames = (num_frames + 1) // 2
            maps = _only_there(stride(maps), num_frames)
        summed = _only_there(self.over_bands(maps), num_frames).sum(dim=(2, 3))
        return summed / num_frames.unsqueeze(1)


def _layer(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU())


def _only_there(maps: Float[Tensor, "b _c _m _t"], num_frames: Int64[Tensor, " b"]) -> Float[Tensor, "b _c _m _t"]:
    return maps * steps_there(num_frames, maps.shape[3])[:, None, None, :]


class SpeechEncoder(Encoder):
    """An encoder of log-mel features."""

    def encode(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per recording."""
        if isinstance(view, Tensor):
            raise TypeError("an encoder of speech takes a table of features and numbers of frames, got a tensor")
        return self.backbone(view[SIGNALS], view[LENGTHS])


def build_encoder(config: SpeechEncoderConfig) -> SpeechEncoder:
    """Return a freshly initialised encoder; the weights come from torch's global generator.

    Raises:
        ValueError: If the features that it sees are not known.
    """
    if config.features is None:
        raise ValueError("encoder.features must be given to build an encoder, got None: samples say what they are")
    net = LogMelNet(num_mels=config.features.num_mels, width=config.width)
    return SpeechEncoder(net, num_features=net.num_features)
