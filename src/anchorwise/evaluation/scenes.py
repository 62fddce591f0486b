"""Generated scenes: shapes on a ground, with the class of every pixel known.

A scene has one to three shapes of random class, place, size, angle and colour, the later ones in front, on a ground
with a slope of brightness and noise. Colours say nothing of classes: what a shape is can be seen by its outline alone.
They are no photographs: what an encoder is worth on those, scenes do not say.
"""

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

# n = scenes, c = channels, h = height, w = width in pixels

CLASS_NAMES = ("ground", "disc", "square", "triangle", "cross")
MIN_PX = 16
_MOST_SHAPES = 3
_RADIUS = (0.15, 0.3)  # Of the shorter side.
_SLOPE, _NOISE = 40.0, 10.0  # Of 255: from one side to the other; standard deviation.


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes and their masks.

    Attributes:
        images: Pixels 0..255.
        masks: Class of every pixel, as an index into `CLASS_NAMES`.
    """

    images: UInt8[Tensor, "n c h w"]
    masks: Int64[Tensor, "n h w"]


def generated_scenes(num_scenes: int, shape: tuple[int, int, int], *, seed: int) -> Scenes:
    """Return scenes that depend on their number, shape and the seed alone.

    Args:
        num_scenes: How many.
        shape: Channels, height and width.
        seed: Decides all that is random.

    Raises:
        ValueError: If a side is too short for a shape to be told from another.
    """
    num_channels, height_px, width_px = shape
    if min(height_px, width_px) < MIN_PX:
        raise ValueError(
            f"scenes need images of {MIN_PX} px or more, got {width_px} x {height_px} px: smaller shapes are not told "
            "from each other; take larger images (data.image_size_px)"
        )
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(height_px) + 0.5, torch.arange(width_px) + 0.5, indexing="ij")
    ground = 255.0 * torch.rand(num_scenes, num_channels, 1, 1, generator=generator)
    images, masks = ground + _slope(num_scenes, rows, columns, generator), torch.zeros(num_scenes, *rows.shape).long()
    num_shapes = torch.randint(1, _MOST_SHAPES + 1, (num_scenes,), generator=generator)
    for number in range(_MOST_SHAPES):
        classes = torch.randint(1, len(CLASS_NAMES), (num_scenes,), generator=generator)
        inside = _inside(classes, rows, columns, generator) & (number < num_shapes).view(-1, 1, 1)
        # A quarter of the range from the ground at least, in every channel.
        offset = 64.0 + 127.0 * torch.rand(ground.shape, generator=generator)
        images = torch.where(inside.unsqueeze(1), (ground + offset) % 255.0, images)
        masks = torch.where(inside, classes.view(-1, 1, 1), masks)
    images = images + _NOISE * torch.randn(images.shape, generator=generator)
    return Scenes(images.round().clamp(0, 255).to(torch.uint8), masks)


def _slope(num_scenes: int, rows: Tensor, columns: Tensor, generator: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """Return what is added to a ground: a plane that rises in some direction."""
    angle = 2.0 * pi * torch.rand(num_scenes, 1, 1, generator=generator)
    across = angle.cos() * (columns / columns.max() - 0.5) + angle.sin() * (rows / rows.max() - 0.5)
    return (_SLOPE * across).unsqueeze(1)


def _inside(
    classes: Int64[Tensor, " n"], rows: Float[Tensor, "h w"], columns: Float[Tensor, "h w"], generator: torch.Generator
) -> Bool[Tensor, "n h w"]:
    """Return the pixels of a shape of each class, at a random place, size and angle; all of it lies in the image."""
    height_px, width_px = rows.shape
    low, high = _RADIUS
    drawn = torch.rand(4, len(classes), 1, 1, generator=generator)
    radius = min(height_px, width_px) * (low + (high - low) * drawn[0])
    top, left = (radius + (side - 2 * radius) * part for side, part in ((height_px, drawn[1]), (width_px, drawn[2])))
    y, x, angle = (rows - top) / radius, (columns - left) / radius, 2.0 * pi * drawn[3]
    x, y = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    far, near = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    disc, square = x.square() + y.square() <= 1.0, far <= 0.7
    triangle, cross = (y <= 0.5) & (y >= 3**0.5 * x.abs() - 1.0), (near <= 0.25) & (far <= 0.96)
    shapes = torch.stack([torch.zeros_like(disc), disc, square, triangle, cross])
    return shapes.gather(0, classes.view(1, -1, 1, 1).expand(1, *disc.shape)).squeeze(0)
