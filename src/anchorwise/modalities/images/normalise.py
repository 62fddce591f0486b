"""Pixels as an encoder takes them: scaled to [0, 1], then (pixel - mean) / std per channel."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.modalities.images.sizes import Size, height_and_width

# n = images, c = channels, h = height, w = width (pixels)

Images = Shaped[Tensor, "n c h w"]  # Uint8, or floating point in [0, 1].


@final
class Normalisation(nn.Module):
    """Normalises images of one shape.

    Args:
        num_channels: Channels of the images.
        size_px: Height and width of the images, one number for both or two.
        mean: Per channel, on the scale of [0, 1]; None means 0.
        std: Per channel, on the scale of [0, 1]; None means 1.

    Raises:
        ValueError: If a size is below 1, or `mean` and `std` do not give each channel a number, `std` above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        num_channels: int,
        size_px: Size,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.shape = (_checks.count("num_channels", num_channels), *height_and_width(size_px))
        self.register_buffer("mean", _per_channel("mean", mean or [0.0] * num_channels, num_channels))
        self.register_buffer("std", _per_channel("std", std or [1.0] * num_channels, num_channels))
        if not bool((self.std > 0).all()):
            raise ValueError(f"std must be above 0 in every channel, got {std!r}; drop constant channels")

    def forward(self, pixels: Float[Tensor, "n c _h _w"]) -> Float[Tensor, "n c _h _w"]:
        """Return normalised pixels of images that are scaled to [0, 1]."""
        return (pixels - self.mean.to(pixels.device)) / self.std.to(pixels.device)

    def unit(self, images: object) -> Float[Tensor, "n c h w"]:
        """Return images scaled to [0, 1]; those in floating point are there already.

        Raises:
            ValueError: If they are neither, or not of the channels and size given at construction.
        """
        if not isinstance(images, Tensor) or not _is_image_dtype(images) or tuple(images.shape[1:]) != self.shape:
            form = f"{images.dtype} of shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images)
            raise ValueError(
                f"images must be uint8, or floating point in [0, 1], of shape (images, "
                f"{', '.join(map(str, self.shape))}), got {form}"
            )
        return unit_pixels(images)

    def inverse(self, view: Float[Tensor, "n c _h _w"]) -> Float[Tensor, "n c _h _w"]:
        """Return pixels scaled to [0, 1] of normalised ones."""
        return view * self.std.to(view.device) + self.mean.to(view.device)


def unit_pixels(images: Tensor) -> Tensor:
    """Return uint8 pixels scaled to [0, 1] in float32; others as they are, in float32."""
    return images.float() / 255.0 if images.dtype == torch.uint8 else images.float()


def pixel_statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of every channel on the scale of [0, 1]; the deviation is at least 1/255."""
    means, stds = [], []
    for channel in images.unbind(1):
        values, weights = _distribution(channel.reshape(-1))
        mean = float(weights @ values)
        means.append(mean)
        stds.append(max(float(weights @ (values - mean).square()) ** 0.5, 1 / 255))
    return tuple(means), tuple(stds)


def _distribution(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and how much of the pixels has each."""
    if pixels.dtype != torch.uint8:
        return pixels.double(), torch.full((len(pixels),), 1 / len(pixels), dtype=torch.float64)
    weights = torch.bincount(pixels, minlength=256).double()
    return torch.arange(256, dtype=torch.float64) / 255.0, weights / weights.sum()


def _is_image_dtype(images: Tensor) -> bool:
    return images.dtype == torch.uint8 or images.is_floating_point()


def _per_channel(name: str, values: Sequence[float], num_channels: int) -> Tensor:
    if len(values) != num_channels:
        raise ValueError(f"{name} must hold one number per channel ({num_channels}), got {tuple(values)}")
    return torch.tensor([_checks.number(name, value) for value in values]).view(num_channels, 1, 1)
