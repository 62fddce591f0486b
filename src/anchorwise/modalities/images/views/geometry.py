"""Which part of an image a view shows: crop, flips, rotation and shift, sampled at once with bilinear interpolation.

Source: crops as in Szegedy et al. 2014, "Going Deeper with Convolutions", Section 6, https://arxiv.org/abs/1409.4842,
and torchvision's `RandomResizedCrop`: ten tries at an area and a ratio, sides rounded to whole pixels, and nothing
beyond a crop's border is looked at. Deviation: without antialiasing, which matters only where a crop is larger than its
view. Rotation about the middle and shift come before the crop, as kornia's `RandomAffine` has them, and are undone for
each pixel of the crop, so that there is one interpolation and not two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from anchorwise.modalities.images.views.drawn import Drawn
from anchorwise.modalities.images.views.strengths import Range, Strengths

# r = views of images, c = channels, h = height, w = width (pixels)


@dataclass(frozen=True)
class Frames:
    """What views show of their images, x and y in fractions of width and height.

    Attributes:
        corner: First corner of the crop, shape (2, r).
        size: Its width and height, likewise.
        is_mirrored: Along which axes it is turned round, likewise; None for never.
        turn: Maps a place of the turned and shifted image, seen from the middle, to one of the image, shape (2, 2, r);
            None where images are not turned.
        shift: How far the image is shifted to the right and down, shape (2, r); None likewise.
    """

    corner: Float[Tensor, "2 r"]
    size: Float[Tensor, "2 r"]
    is_mirrored: Bool[Tensor, "2 r"] | None = None
    turn: Float[Tensor, "2 2 r"] | None = None
    shift: Float[Tensor, "2 r"] | None = None

    def places(self) -> Float[Tensor, "r 2 3"]:
        """Return the maps from views to images (`anchorwise.modalities.places`)."""
        start, extent = self.directed()
        if self.turn is None or self.shift is None:
            linear = torch.diag_embed(extent.T)
        else:
            linear = (self.turn * extent).permute(2, 0, 1)
            start = 0.5 + (self.turn * (start - 0.5 - self.shift)).sum(dim=1)
        return torch.cat([linear, start.T[:, :, None]], dim=2)

    def directed(self) -> tuple[Tensor, Tensor]:
        """Return where a view starts and how far it extends, negative along an axis that is mirrored."""
        if self.is_mirrored is None:
            return self.corner, self.size
        start = torch.where(self.is_mirrored, self.corner + self.size, self.corner)
        return start, torch.where(self.is_mirrored, -self.size, self.size)


@final
class Geometry(nn.Module):
    """Takes views out of images.

    Args:
        views: Strengths of the views, alike in their `crop_ratio`.
        image_px: Height and width of the images.
        view_px: Those of the views.

    Attributes:
        purposes: What has to be drawn.
    """

    sides: Tensor
    whole: Tensor
    centres_x: Tensor
    centres_y: Tensor

    def __init__(self, views: Sequence[Strengths], image_px: tuple[int, int], view_px: tuple[int, int]) -> None:
        super().__init__()
        self.image_px, self.view_px = image_px, view_px
        purposes = set[str]()
        for strengths in views:
            if strengths.crop_scale != (1.0, 1.0):
                purposes |= {"crop_area", "crop_log_ratio", "crop_left", "crop_top"}
            if strengths.flip_probability or strengths.vertical_flip_probability:
                purposes |= {"is_mirrored", "is_upside_down"}
            if strengths.rotation_degrees or strengths.translation_fraction:
                purposes |= {"angle", "shift_right", "shift_down"}
        self.purposes = frozenset(purposes)
        constants = {
            "sides": torch.tensor([[float(image_px[1])], [float(image_px[0])]]),
            "whole": torch.tensor(_largest_crop(views[0].crop_ratio, image_px))[:, None],
            "centres_x": (torch.arange(view_px[1]) + 0.5) / view_px[1],
            "centres_y": (torch.arange(view_px[0]) + 0.5) / view_px[0],
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    @property
    def does_nothing(self) -> bool:
        """Whether views show their images as they are."""
        return not self.purposes and self.image_px == self.view_px

    def frames(self, drawn: Drawn, num_rows: int) -> Frames:
        """Return what views show."""
        corner, size = self._boxes(drawn) if "crop_area" in drawn else (torch.zeros_like(self.sides), self.sides)
        corner, size = ((part / self.sides).expand(2, num_rows) for part in (corner, size))
        is_mirrored = turn = shift = None
        if "is_mirrored" in drawn:
            is_mirrored = torch.stack([drawn["is_mirrored"], drawn["is_upside_down"]]) < 0.0
        if "angle" in drawn:
            height, width = self.image_px
            cosine, sine = drawn["angle"].cos(), drawn["angle"].sin()
            turn = torch.stack([cosine, sine * (height / width), sine * (-width / height), cosine]).unflatten(0, (2, 2))
            shift = torch.stack([drawn["shift_right"], drawn["shift_down"]])
        return Frames(corner, size, is_mirrored, turn, shift)

    def forward(self, images: Float[Tensor, "r c h w"], frames: Frames) -> Float[Tensor, "r c _h _w"]:
        """Return the views of images, each in its frame; what the image does not cover is black."""
        start, extent = frames.directed()
        # Half a pixel inside the crop: its border pixels go on up to its border, and none beyond mixes in.
        inside = 0.5 / self.sides
        low, high = frames.corner + inside, frames.corner + frames.size - inside
        axes = [
            torch.addcmul(start[axis, :, None], extent[axis, :, None], centres)
            .clamp_(low[axis, :, None], high[axis, :, None])
            .mul_(2.0)
            .sub_(1.0)
            for axis, centres in enumerate((self.centres_x, self.centres_y))
        ]
        x, y = axes[0][:, None, :], axes[1][:, :, None]
        if frames.turn is not None and frames.shift is not None:
            x, y = x - 2.0 * frames.shift[0, :, None, None], y - 2.0 * frames.shift[1, :, None, None]
            turn = frames.turn[..., None, None]
            x, y = turn[0, 0] * x + turn[0, 1] * y, turn[1, 0] * x + turn[1, 1] * y
        grid = torch.stack(torch.broadcast_tensors(x, y), dim=3)
        return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _boxes(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Return first corner and size of every crop, x and y in pixels."""
        area, ratio = drawn["crop_area"] * self.sides.prod(), drawn["crop_log_ratio"].exp()
        sizes = torch.stack([area * ratio, area / ratio]).sqrt_().round_()
        fits = ((sizes <= self.sides[:, :, None]) & (sizes >= 1.0)).all(dim=0)
        first = fits.int().argmax(dim=0)
        tried = sizes.gather(1, first.expand(2, 1, -1)).squeeze(1)
        size = torch.where(fits.any(dim=0), tried, self.whole)
        room = self.sides - size
        corner = (torch.stack([drawn["crop_left"], drawn["crop_top"]]) * (room + 1.0)).floor_()
        return torch.minimum(corner, room), size  # Rounding up may make a whole step of the last one.


def _largest_crop(ratio: Range, image_px: tuple[int, int]) -> list[float]:
    """Return width and height of the largest crop that has one of these ratios: torchvision's, where no try fits."""
    height, width = image_px
    low, high = ratio
    if width / height < low:
        return [float(width), float(max(1, round(width / low)))]
    return [float(max(1, round(height * high))) if width / height > high else float(width), float(height)]
