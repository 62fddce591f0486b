"""A small network of clips: convolutions over time and place at once."""

from itertools import pairwise
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import View
from anchorwise.modalities.video.config import VideoEncoderConfig

# b = videos, k = clips of each, t = frames of a clip, c = channels, h = height, w = width, d = features

# Of the convolutions, over time, height and width: the first keeps all frames, which is where motion is.
_STRIDES = ((1, 2, 2), (2, 2, 2), (2, 2, 2))


@final
class ClipNet(nn.Sequential):
    """Three convolutions of 3 x 3 x 3, then the mean over time and place.

    Args:
        num_channels: Of a frame.
        width: Channels after the first convolution.
    """

    def __init__(self, *, num_channels: int, width: int) -> None:
        widths = [num_channels, *(width << stage for stage in range(len(_STRIDES)))]
        layers = list[nn.Module]()
        for (before, after), stride in zip(pairwise(widths), _STRIDES, strict=True):
            layers += [
                nn.Conv3d(before, after, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm3d(after),
                nn.ReLU(),
            ]
        super().__init__(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.num_features = widths[-1]


@final
class VideoEncoder(Encoder):
    """Features of a video are the mean of those of its clips."""

    def encode(self, view: View) -> Float[Tensor, "b d"]:
        """Return one row per video."""
        return self.encode_clips(view).mean(dim=1)

    def encode_clips(self, view: View) -> Float[Tensor, "b k d"]:
        """Return one row per clip."""
        clips = cast(Tensor, view)
        rows = self.backbone(clips.flatten(0, 1).transpose(1, 2))
        return rows.unflatten(0, clips.shape[:2])


def build_encoder(config: VideoEncoderConfig) -> VideoEncoder:
    """Return an encoder with random weights from torch's generator.

    Raises:
        ValueError: If nobody has filled in how many channels a frame has.
    """
    if config.num_channels is None:
        raise ValueError("encoder.num_channels must be how many channels a frame has, got None")
    net = ClipNet(num_channels=config.num_channels, width=config.width)
    return VideoEncoder(net, num_features=net.num_features)
