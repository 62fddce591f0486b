"""Colours of a view: brightness, contrast, saturation and hue in an order drawn for each image; then loss of colour.

Source: torchvision's and kornia's `ColorJitter`; as in torchvision, each image has an order of its own. Brightness,
contrast and saturation are of one form,

    clamp(gain * pixel + to_grey * grey(pixel) + to_mean * mean(grey)),

so a stage can be another of them for each image. The hue stands in the middle: what comes before it in an image's order
is done in stages before it, the rest in stages after it, and a stage that an image does not need changes nothing. So no
order is read on the host.
"""

from collections.abc import Sequence
from itertools import permutations
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.images.views.chosen import changed_where
from anchorwise.modalities.images.views.drawn import Drawn
from anchorwise.modalities.images.views.strengths import Strengths

# r = views of images, c = channels, h = height, w = width (pixels)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as torchvision and kornia have it.
_STEPS = ("nothing", "brightness", "contrast", "saturation")

Pixels = Float[Tensor, "r c h w"]
Number = Float[Tensor, " r"]


@final
class Jitter(nn.Module):
    """Changes brightness, contrast, saturation and hue, each image in its own order.

    Args:
        views: Strengths of the views.
        num_channels: Of the images; saturation and hue are for three.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    stages: Tensor

    def __init__(self, views: Sequence[Strengths], num_channels: int) -> None:
        super().__init__()
        jittered = [strengths for strengths in views if strengths.jitter_probability]
        names = ("brightness", "contrast", *(("saturation", "hue") if num_channels == 3 else ()))
        active = [name for name in names if any(getattr(strengths, name) for strengths in jittered)]
        self.purposes = frozenset({"is_jittered", "order", *active} if active else ())
        self.register_buffer("stages", torch.tensor(_stages(active)), persistent=False)

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images with their jitter."""
        is_jittered, order = drawn["is_jittered"] < 0.0, (drawn["order"] * len(self.stages)).long()
        stages = self.stages[order].T * is_jittered
        factors = [drawn[name] if name in drawn else torch.ones_like(drawn["order"]) for name in _STEPS]
        gains = torch.stack(factors).gather(0, stages)
        to_mean, to_grey = ((1.0 - gains) * (stages == _STEPS.index(name)) for name in ("contrast", "saturation"))
        blends = list(zip(stages > 0, gains, to_mean, to_grey, strict=True))
        num_before = len(blends) // 2 if "hue" in drawn else len(blends)
        change = blended if "saturation" in drawn else contrasted
        for chosen, *numbers in blends[:num_before]:
            pixels = changed_where(chosen, change, pixels, *numbers, is_neutral=True)
        if "hue" in drawn:
            pixels = changed_where(is_jittered, hue_turned, pixels, drawn["hue"])
        for chosen, *numbers in blends[num_before:]:
            pixels = changed_where(chosen, change, pixels, *numbers, is_neutral=True)
        return pixels


@final
class Greyscale(nn.Module):
    """Takes all colour from some images of three channels.

    Args:
        views: Strengths of the views.
        num_channels: Of the images.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    def __init__(self, views: Sequence[Strengths], num_channels: int) -> None:
        super().__init__()
        is_used = num_channels == 3 and any(strengths.greyscale_probability for strengths in views)
        self.purposes = frozenset({"is_grey"} if is_used else ())

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images, some of them without colour."""
        return changed_where(drawn["is_grey"] < 0.0, lambda coloured: grey(coloured).repeat(1, 3, 1, 1), pixels)


def grey(pixels: Pixels) -> Float[Tensor, "r 1 h w"]:
    """Return the brightness of pixels: of three channels as weighted for the eye, of others the mean."""
    if pixels.shape[1] != 3:
        return pixels.mean(dim=1, keepdim=True)
    red, green, blue = pixels.unbind(dim=1)
    weighted = (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return weighted[:, None]


def blended(pixels: Pixels, gain: Number, to_mean: Number, to_grey: Number) -> Pixels:
    """Return pixels scaled and mixed with the mean brightness of their image and with their own, within [0, 1]."""
    gain, to_mean, to_grey = (number[:, None, None, None] for number in (gain, to_mean, to_grey))
    brightness = grey(pixels)
    offset = torch.addcmul(brightness.mean(dim=(1, 2, 3), keepdim=True) * to_mean, brightness, to_grey)
    return torch.addcmul(offset, pixels, gain).clamp_(0.0, 1.0)


def contrasted(pixels: Pixels, gain: Number, to_mean: Number, _: Number) -> Pixels:
    """Return pixels scaled and mixed with the mean brightness of their image, within [0, 1]."""
    offset = grey(pixels).mean(dim=(1, 2, 3)) * to_mean
    return torch.addcmul(offset[:, None, None, None], pixels, gain[:, None, None, None]).clamp_(0.0, 1.0)


def hue_turned(pixels: Pixels, turn: Number) -> Pixels:
    """Return images whose colours are turned, by a part of the circle for each; lightest and darkest channel stay.

    The hue is an angle in sixths of the circle. Over it each channel is a trapeze between darkest and lightest: red is
    lightest from -1 to 1, green from 1 to 3, blue from 3 to 5, and each falls, or rises, within one sixth.
    """
    red, green, blue = pixels.unbind(dim=1)
    lightest, darkest = pixels.amax(dim=1), pixels.amin(dim=1)
    span = lightest - darkest
    of_others = torch.where(lightest == green, (blue - red).add_(span, alpha=2.0), (red - green).add_(span, alpha=4.0))
    sixths = torch.where(lightest == red, green - blue, of_others).div_(span.clamp(min=1e-12))
    sixths = sixths.add_(turn[:, None, None], alpha=6.0)
    # How far each channel is from the middle of where it is lightest, at most 3: red from 0, green from 2, blue from 4.
    distances = torch.stack([sixths + 3.0, sixths + 1.0, sixths - 1.0], dim=1).remainder_(6.0).sub_(3.0).abs_()
    return torch.addcmul(darkest[:, None], distances.neg_().add_(2.0).clamp_(0.0, 1.0), span[:, None])


def _stages(steps: Sequence[str]) -> list[list[int]]:
    """Return, for every order of the steps, which of them is done in each stage; half of the stages precede the hue."""
    num_linear = len(steps) - ("hue" in steps)
    orders = []
    for order in permutations(steps):
        hue = order.index("hue") if "hue" in order else num_linear
        numbers = [_STEPS.index(step) for step in order if step != "hue"]
        before, after = numbers[:hue], numbers[hue:]
        parts = (before, after) if "hue" in order else (before,)
        orders.append([step for part in parts for step in (*part, *[0] * (num_linear - len(part)))])
    return orders
