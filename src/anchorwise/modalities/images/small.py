"""A small residual encoder that pretrains in minutes on two CPU cores."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

# n = images, c = channels, h = height, w = width in pixels, f = features

_STRIDE_FROM_PX = 24  # Images at least this wide lose half their resolution in the first layer, where it costs most.


@final
class SmallEncoder(nn.Module):
    """Residual stages of one block each, `width`, `2 * width` and `4 * width` channels, then the mean over pixels.

    Args:
        width: Channels after the first convolution, a multiple of 8.
        norm: "batch" or "group".
        num_channels: Channels of the images.
        image_size_px: Shorter side of the images; it decides the first layer's stride only.
    """

    def __init__(self, *, width: int, norm: str, num_channels: int, image_size_px: int) -> None:
        super().__init__()
        self.num_features = 4 * width
        stride = 2 if image_size_px >= _STRIDE_FROM_PX else 1
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, width, 3, stride, padding=1, bias=False),
            norm_layer(norm, width),
            nn.ReLU(),
            ResidualBlock(width, width, stride=1, norm=norm),
            ResidualBlock(width, 2 * width, stride=2, norm=norm),
            ResidualBlock(2 * width, 4 * width, stride=2, norm=norm),
        )

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Return one feature row per image."""
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f _h _w"]:
        """Return the last feature maps."""
        return self.layers(images)


@final
class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is 1x1 where the shape changes.

    Args:
        num_inputs: Channels in.
        num_outputs: Channels out.
        stride: Of the first convolution.
        norm: "batch" or "group".
    """

    def __init__(self, num_inputs: int, num_outputs: int, *, stride: int, norm: str) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(num_inputs, num_outputs, 3, stride, padding=1, bias=False),
            norm_layer(norm, num_outputs),
            nn.ReLU(),
            nn.Conv2d(num_outputs, num_outputs, 3, padding=1, bias=False),
            norm_layer(norm, num_outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or num_inputs != num_outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(num_inputs, num_outputs, 1, stride, bias=False), norm_layer(norm, num_outputs)
            )

    def forward(self, maps: Float[Tensor, "n _c _h _w"]) -> Float[Tensor, "n _c2 _h2 _w2"]:
        """Return the block's feature maps."""
        return torch.relu(self.residual(maps) + self.shortcut(maps))


def norm_layer(norm: str, num_channels: int) -> nn.Module:
    """Return batch normalisation, or group normalisation with 8 groups."""
    return nn.BatchNorm2d(num_channels) if norm == "batch" else nn.GroupNorm(8, num_channels)
