"""What a view loses after its colours: sharpness by a blur, order of brightness by solarising, a rectangle by erasing.

Sources: blur as in SimCLR, Chen et al. 2020, Appendix A, https://arxiv.org/abs/2002.05709; solarising as in BYOL, Grill
et al. 2020, Appendix B, https://arxiv.org/abs/2006.07733; erasing as in Zhong et al. 2017,
https://arxiv.org/abs/1708.04896. Numbers as kornia's `RandomGaussianBlur`, `RandomSolarize` and `RandomErasing`.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from anchorwise.modalities.images.views.chosen import changed_where
from anchorwise.modalities.images.views.drawn import Drawn
from anchorwise.modalities.images.views.strengths import Strengths

# r = views of images, c = channels, h = height, w = width (pixels), k = taps of a kernel

_ERASED_RATIO = (0.3, 3.3)  # Height over width; as often below 1 as above.

Pixels = Float[Tensor, "r c h w"]
Number = Float[Tensor, " r"]


@final
class Blur(nn.Module):
    """Blurs some images, each with its own width.

    Args:
        views: Strengths of the views.
        kernel_px: Width of the kernel; odd.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    taps: Tensor

    def __init__(self, views: Sequence[Strengths], kernel_px: int) -> None:
        super().__init__()
        is_used = any(strengths.blur_probability for strengths in views)
        self.purposes = frozenset({"is_blurred", "blur_sigma"} if is_used else ())
        self.register_buffer("taps", torch.arange(kernel_px) - kernel_px // 2, persistent=False)

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images, some of them blurred."""
        kernels = (-0.5 * (self.taps / drawn["blur_sigma"][:, None]).square()).softmax(dim=1)
        return changed_where(drawn["is_blurred"] < 0.0, blurred, pixels, kernels)


@final
class Solarise(nn.Module):
    """Inverts what is brighter than half in some images.

    Args:
        views: Strengths of the views.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    def __init__(self, views: Sequence[Strengths]) -> None:
        super().__init__()
        is_used = any(strengths.solarise_probability for strengths in views)
        self.purposes = frozenset({"is_solarised"} if is_used else ())

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images, some of them solarised."""
        return changed_where(drawn["is_solarised"] < 0.0, solarised, pixels)


@final
class Erase(nn.Module):
    """Blackens a rectangle of some images.

    Args:
        views: Strengths of the views.
        view_px: Height and width of the views.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, views: Sequence[Strengths], view_px: tuple[int, int]) -> None:
        super().__init__()
        is_used = any(strengths.erasing_probability for strengths in views)
        drawn = ("is_erased", "erased_area", "erased_ratio", "erased_left", "erased_top")
        self.purposes = frozenset(drawn if is_used else ())
        self.view_px = view_px
        for name, count in zip(("rows", "columns"), view_px, strict=True):
            self.register_buffer(name, torch.arange(count), persistent=False)

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images, some of them with a black rectangle."""
        top, left, height, width = self.rectangles(drawn)
        in_rows = (self.rows >= top[:, None]) & (self.rows < (top + height)[:, None])
        in_columns = (self.columns >= left[:, None]) & (self.columns < (left + width)[:, None])
        in_rows &= drawn["is_erased"][:, None] < 0.0
        return pixels.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)

    def rectangles(self, drawn: Drawn) -> tuple[Number, Number, Number, Number]:
        """Return top, left, height and width in whole pixels."""
        low, high = _ERASED_RATIO
        twice = 2.0 * drawn["erased_ratio"]
        ratio = torch.where(twice < 1.0, low + (1.0 - low) * twice, 1.0 + (high - 1.0) * (twice - 1.0))
        area = drawn["erased_area"] * (self.view_px[0] * self.view_px[1])
        height, width = (
            side.sqrt().round_().clamp_(1.0, limit)
            for side, limit in zip((area * ratio, area / ratio), self.view_px, strict=True)
        )
        top = (drawn["erased_top"] * (self.view_px[0] + 1.0 - height)).floor_()
        left = (drawn["erased_left"] * (self.view_px[1] + 1.0 - width)).floor_()
        return top, left, height, width


def blurred(pixels: Pixels, kernels: Float[Tensor, "r k"]) -> Pixels:
    """Return images convolved with a kernel each along both axes; borders are reflected."""
    num_images, num_channels, height, width = pixels.shape
    side = kernels.shape[1] // 2
    padded = pad(pixels, (side, side, side, side), mode="reflect").flatten(end_dim=1)[None]
    weight = kernels.repeat_interleave(num_channels, dim=0)[:, None]
    rows = conv2d(padded, weight[:, :, None, :], groups=len(weight))
    return conv2d(rows, weight[:, :, :, None], groups=len(weight)).view(num_images, num_channels, height, width)


def solarised(pixels: Pixels) -> Pixels:
    """Return images of which what is at least half as bright as white is inverted."""
    return torch.where(pixels >= 0.5, 1.0 - pixels, pixels)
