"""What of a view is drawn: a uniform number for every purpose, stretched to the range that the strengths give it."""

from collections.abc import Callable, Collection, Mapping
from itertools import accumulate
from math import log, radians
from typing import final

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from anchorwise.modalities.draws import Draws
from anchorwise.modalities.images.views.strengths import NUM_OPERATIONS, Range, Strengths

# n = images, r = views of images: those of the first view, then those of the second, and so on

NUM_CROPS_TRIED = 10
_MAGNITUDE = 0.3  # Of RandAugment: 9 of 30, as torchvision has it.
FIRST_OF_MASKS = 1024  # Of the numbers below, none comes near.

RangeOf = Callable[[Strengths], Range]


def _chance(name: str) -> RangeOf:
    """Return a range of length 1 whose part below 0 is as long as the probability of this name."""
    return lambda strengths: (-(getattr(strengths, name) or 0.0), 1.0 - (getattr(strengths, name) or 0.0))


def _within(name: str, middle: float = 0.0) -> RangeOf:
    return lambda strengths: (middle - getattr(strengths, name), middle + getattr(strengths, name))


def _unit(strengths: Strengths) -> Range:
    return 0.0, 1.0


def _always(number: float) -> Range:
    return float(number), float(number)


# By name: how many numbers, and their range. The order decides which number is whose, so new ones come last.
_PURPOSES: dict[str, tuple[int, RangeOf]] = {
    "crop_area": (NUM_CROPS_TRIED, lambda strengths: strengths.crop_scale),
    "crop_log_ratio": (NUM_CROPS_TRIED, lambda strengths: (log(strengths.crop_ratio[0]), log(strengths.crop_ratio[1]))),
    "crop_left": (1, _unit),
    "crop_top": (1, _unit),
    "is_mirrored": (1, _chance("flip_probability")),
    "is_upside_down": (1, _chance("vertical_flip_probability")),
    "angle": (1, lambda strengths: (-radians(strengths.rotation_degrees), radians(strengths.rotation_degrees))),
    "shift_right": (1, _within("translation_fraction")),
    "shift_down": (1, _within("translation_fraction")),
    "is_jittered": (1, _chance("jitter_probability")),
    "order": (1, _unit),
    "brightness": (1, _within("brightness", 1.0)),
    "contrast": (1, _within("contrast", 1.0)),
    "saturation": (1, _within("saturation", 1.0)),
    "hue": (1, _within("hue")),
    "is_grey": (1, _chance("greyscale_probability")),
    "is_blurred": (1, _chance("blur_probability")),
    "blur_sigma": (1, lambda strengths: strengths.blur_sigma_px),
    "is_solarised": (1, _chance("solarise_probability")),
    "is_erased": (1, _chance("erasing_probability")),
    "erased_area": (1, lambda strengths: strengths.erasing_scale),
    "erased_ratio": (1, _unit),
    "erased_left": (1, _unit),
    "erased_top": (1, _unit),
    "operation": (NUM_OPERATIONS, _unit),
    "is_operation_turned": (NUM_OPERATIONS, _unit),
    # Ranges of one number: the same for all images, and another one for each view.
    "num_operations": (1, lambda strengths: _always(strengths.rand_augment_operations or 0)),
    "magnitude": (1, lambda strengths: _always(_MAGNITUDE if (m := strengths.rand_augment_magnitude) is None else m)),
}
_COUNTS = [count for count, _ in _PURPOSES.values()]
_FIRST = dict(zip(_PURPOSES, accumulate([0, *_COUNTS[:-1]]), strict=True))

Drawn = Mapping[str, Tensor]


@final
class StrengthDraws(nn.Module):
    """Draws strengths of several views of every image of a batch.

    Args:
        views: Strengths of each view by its number.
        purposes: What is drawn.
    """

    low: Tensor
    length: Tensor

    def __init__(self, views: Mapping[int, Strengths], purposes: Collection[str]) -> None:
        super().__init__()
        self.counts = {name: count for name, (count, _) in _PURPOSES.items() if name in purposes}
        each = [(name, index) for name, count in self.counts.items() for index in range(count)]
        self.draws = Draws(list(views), [_FIRST[name] + index for name, index in each])
        ranges = [[_PURPOSES[name][1](strengths) for strengths in views.values()] for name, _ in each]
        low, high = torch.tensor(ranges).reshape(len(each), len(views), 1, 2).unbind(dim=3)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("length", high - low, persistent=False)

    def forward(self, ids: Int64[Tensor, " n"], seed: int | Int64[Tensor, ""]) -> Drawn:
        """Return by name the numbers of every view of every image, shape (r,), or (count, r) where there are several.

        What is decided by a probability is decided in favour by numbers below 0.
        """
        drawn = torch.addcmul(self.low, self.draws(ids, seed), self.length).flatten(start_dim=1)
        parts = zip(self.counts, drawn.split(list(self.counts.values())), strict=True)
        return {name: part[0] if len(part) == 1 else part for name, part in parts}
