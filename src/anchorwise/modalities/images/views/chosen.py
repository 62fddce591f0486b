"""A change of some of the images of a batch."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# r = views of images, c = channels, h = height, w = width (pixels)

# Where the host sees numbers without waiting, and without stopping a capture.
HOST_DEVICES = ("cpu",)


def changed_where(
    chosen: Bool[Tensor, " r"],
    change: Callable[..., Tensor],
    pixels: Float[Tensor, "r c h w"],
    *numbers: Float[Tensor, "r ..."],
    is_neutral: bool = False,
) -> Float[Tensor, "r c h w"]:
    """Return images, changed where they are chosen; on a CPU nothing else is computed, and `pixels` may be written to.

    Args:
        chosen: Which.
        change: Takes images, then what `numbers` have for each of them.
        pixels: The images.
        numbers: Strengths of each image.
        is_neutral: Whether what `numbers` have for images that are not chosen changes nothing of them.
    """
    if not reads_are_free(pixels.device):
        if is_neutral:
            return change(pixels, *numbers)
        return torch.where(chosen[:, None, None, None], change(pixels, *numbers), pixels)
    rows = chosen.nonzero().flatten()
    if len(rows) == len(pixels):
        return change(pixels, *numbers)
    if len(rows):
        pixels[rows] = change(pixels[rows], *(number[rows] for number in numbers))
    return pixels


def reads_are_free(device: torch.device) -> bool:
    """Return whether it costs nothing to look at what is on a device."""
    return device.type in HOST_DEVICES
