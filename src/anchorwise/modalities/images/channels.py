"""Grey images for an encoder of colour, and the other way round."""

import torch
from jaxtyping import UInt8
from torch import Tensor

# n = images, c = channels, h = height, w = width

# ITU-R BT.601-7, section 2.5.1: the weights with which television and JPEG make grey of red, green and blue.
_LUMA = (0.299, 0.587, 0.114)
_BLOCK = 4096  # Images in floating point at once.


def with_channels(images: UInt8[Tensor, "n c h w"], num_channels: int) -> UInt8[Tensor, "n _c h w"]:
    """Return images with so many channels: grey repeated without taking memory, colour as its luma.

    Raises:
        ValueError: If they have neither one nor three, and not as many as are asked for.
    """
    there = images.shape[1]
    if there == num_channels:
        return images
    if there == 1:
        return images.expand(-1, num_channels, -1, -1)
    if (there, num_channels) != (3, 1):
        raise ValueError(
            f"the encoder takes images of {num_channels} channels, got {there}; only grey and red-green-blue are made "
            "of each other"
        )
    weights = torch.tensor(_LUMA).view(1, 3, 1, 1)
    blocks = [(block.float() * weights).sum(dim=1, keepdim=True).round() for block in images.split(_BLOCK)]
    return torch.cat(blocks).clamp(0, 255).to(torch.uint8)
