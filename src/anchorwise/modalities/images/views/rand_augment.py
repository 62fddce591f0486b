"""RandAugment: a few operations, drawn for every view, one after the other and all of one magnitude.

Source: Cubuk et al. 2019, "RandAugment: Practical automated data augmentation with a reduced search space",
https://arxiv.org/abs/1909.13719, with the operations and strengths of torchvision's `RandAugment`, where what comes in
from beside an image is black. Deviations: bilinear interpolation, translations by parts of pixels, and pixels are not
rounded to 8 bits between operations.
"""

from collections.abc import Sequence
from math import radians
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from anchorwise.modalities.images.views.chosen import changed_where
from anchorwise.modalities.images.views.colour import blended, contrasted
from anchorwise.modalities.images.views.drawn import Drawn
from anchorwise.modalities.images.views.strengths import Strengths

# r = views of images, c = channels, h = height, w = width (pixels)

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "colour",
    "contrast",
    "sharpness",
    "posterise",
    "solarise",
    "auto_contrast",
    "equalise",
)
# At magnitude 1: tangents of shears, shifts over the view's size, radians, and how far factors are from 1.
_SHEAR, _SHIFT, _TURN, _FACTOR = 0.3, 150.0 / 331.0, radians(30.0), 0.9

Pixels = Float[Tensor, "r c h w"]
Number = Float[Tensor, " r"]


@final
class RandAugment(nn.Module):
    """Does as many operations to every view as its strengths say.

    Args:
        views: Strengths of the views.
        num_channels: Of the images; colour is for three.

    Attributes:
        purposes: What has to be drawn; nothing if there is nothing to do.
    """

    def __init__(self, views: Sequence[Strengths], num_channels: int) -> None:
        super().__init__()
        self.num_rounds = max(strengths.rand_augment_operations or 0 for strengths in views)
        names = ("operation", "is_operation_turned", "num_operations", "magnitude")
        self.purposes = frozenset(names if self.num_rounds else ())
        self.num_channels = num_channels

    def forward(self, pixels: Pixels, drawn: Drawn) -> Pixels:
        """Return images, changed once for every round that theirs has."""
        for number in range(self.num_rounds):
            operation = (drawn["operation"][number] * len(OPERATIONS)).long()
            operation = operation * (number < drawn["num_operations"])
            signs = 1.0 - 2.0 * (drawn["is_operation_turned"][number] < 0.5)
            pixels = operated(pixels, operation, drawn["magnitude"], signs)
        return pixels


def operated(pixels: Pixels, operation: Int64[Tensor, " r"], magnitude: Number, signs: Number) -> Pixels:
    """Return images with one operation each.

    Args:
        pixels: In [0, 1].
        operation: Places in `OPERATIONS`.
        magnitude: In [0, 1].
        signs: 1 or -1, for operations that have two directions.
    """
    is_one = {name: operation == number for number, name in enumerate(OPERATIONS)}
    signed, num_channels = signs * magnitude, pixels.shape[1]
    is_moved = (operation >= 1) & (operation <= OPERATIONS.index("rotate"))
    pixels = changed_where(is_moved, moved, pixels, _maps(is_one, signed, pixels.shape[2] / pixels.shape[3]))
    is_blended = is_one["brightness"] | is_one["contrast"]
    if num_channels == 3:
        is_blended = is_blended | is_one["colour"]
    gain = 1.0 + _FACTOR * signed
    to_mean, to_grey = ((1.0 - gain) * is_one[name] for name in ("contrast", "colour"))
    blend = blended if num_channels == 3 else contrasted
    pixels = changed_where(is_blended, blend, pixels, gain, to_mean, to_grey)
    pixels = changed_where(is_one["sharpness"], sharpened, pixels, gain)
    pixels = changed_where(is_one["posterise"], posterised, pixels, (8.0 - (4.0 * magnitude).round()).exp2())
    pixels = changed_where(is_one["solarise"], solarised_above, pixels, 1.0 - magnitude)
    pixels = changed_where(is_one["auto_contrast"], stretched, pixels)
    return changed_where(is_one["equalise"], equalised, pixels)


def _maps(is_one: dict[str, Tensor], signed: Number, height_by_width: float) -> Float[Tensor, "r 2 3"]:
    """Return where every place of a moved view comes from, both from -1 to 1; the identity for other operations."""
    turn = _TURN * signed * is_one["rotate"]
    shear_x, shear_y = (_SHEAR * signed * is_one[name] for name in ("shear_x", "shear_y"))
    shift_x, shift_y = (-2.0 * _SHIFT * signed * is_one[name] for name in ("translate_x", "translate_y"))
    # A shear holds the first row, or column, still.
    across, down = shear_x * height_by_width, shear_y / height_by_width
    first = [turn.cos(), -turn.sin() * height_by_width + across, across + shift_x]
    second = [turn.sin() / height_by_width + down, turn.cos(), down + shift_y]
    return torch.stack([*first, *second], dim=1).unflatten(1, (2, 3))


def moved(pixels: Pixels, maps: Float[Tensor, "r 2 3"]) -> Pixels:
    """Return images seen through affine maps; what the image does not cover is black."""
    grid = affine_grid(maps, list(pixels.shape), align_corners=False)
    return grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def sharpened(pixels: Pixels, factor: Number) -> Pixels:
    """Return images between a smoothed one at 0, themselves at 1, and sharper ones; border pixels are not smoothed."""
    smooth = pixels.clone()
    if min(pixels.shape[2:]) > 2:
        # The middle of nine pixels counts five times: the mean of all, and the middle four times more.
        inside = smooth[:, :, 1:-1, 1:-1]
        inside.mul_(4.0).add_(avg_pool2d(pixels, 3, stride=1), alpha=9.0).div_(13.0)
    return torch.lerp(smooth, pixels, factor[:, None, None, None]).clamp_(0.0, 1.0)


def posterised(pixels: Pixels, levels: Number) -> Pixels:
    """Return images of so many levels."""
    levels = levels[:, None, None, None]
    return (pixels * levels).floor_().clamp_min_(0.0).minimum(levels - 1.0) / levels


def solarised_above(pixels: Pixels, threshold: Number) -> Pixels:
    """Return images of which what is at least as bright as the threshold is inverted."""
    return torch.where(pixels >= threshold[:, None, None, None], 1.0 - pixels, pixels)


def stretched(pixels: Pixels) -> Pixels:
    """Return images each of whose channels goes from 0 to 1; one of a single brightness stays."""
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    is_even = high == low
    span = torch.where(is_even, torch.ones_like(high), high - low)
    return torch.where(is_even, pixels, (pixels - low) / span)


def equalised(pixels: Pixels) -> Pixels:
    """Return images each of whose channels has every one of 256 levels about equally often, as Pillow does it."""
    levels = (pixels * (256.0 - 1e-3)).long().flatten(start_dim=2)
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=pixels.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    below = counts.cumsum(dim=2)
    highest = counts.gather(2, below.argmax(dim=2, keepdim=True))
    step = (levels.shape[2] - highest) // 255
    table = ((below - counts + step // 2) // step.clamp_min(1)).clamp_(0, 255)
    found = torch.where(step == 0, levels, table.gather(2, levels))
    return (found.to(pixels) / 255.0).view_as(pixels)
