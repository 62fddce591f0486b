"""Views of one size, made of all images of a batch at once: where they are taken from, colours, damage, masks."""

from collections.abc import Callable, Iterator, Mapping
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.images.views.chosen import reads_are_free
from anchorwise.modalities.images.views.colour import Greyscale, Jitter
from anchorwise.modalities.images.views.damage import Blur, Erase, Solarise
from anchorwise.modalities.images.views.drawn import Drawn, StrengthDraws
from anchorwise.modalities.images.views.geometry import Geometry
from anchorwise.modalities.images.views.masks import Masks
from anchorwise.modalities.images.views.rand_augment import RandAugment
from anchorwise.modalities.images.views.strengths import Strengths
from anchorwise.modalities.views import MASK, PIXELS, PLACES, Masking

# n = images, c = channels, h = height, w = width (pixels)

_BLOCK = 1 << 20  # Numbers in a block of views on a CPU: fewer are calls, more do not stay in its cache.

Pixel = tuple[int, int]


@final
class AlikeViews(nn.Module):
    """Makes views of one size.

    Args:
        views: Strengths of each view by its number.
        num_channels: Channels of the images.
        image_px: Height and width of the images.
        view_px: Those of the views.
        kernel_px: Width of a blur's kernel.
        masking: What is hidden of the views; None for nothing.
        with_places: Whether to say where views are taken from.

    Raises:
        ValueError: If RandAugment, which moves them, is to be done to such views.
    """

    def __init__(
        self,
        views: Mapping[int, Strengths],
        num_channels: int,
        *,
        image_px: Pixel,
        view_px: Pixel,
        kernel_px: int,
        masking: Masking | None,
        with_places: bool,
    ) -> None:
        super().__init__()
        self.numbers, strengths = list(views), list(views.values())
        self.geometry = Geometry(strengths, image_px, view_px)
        steps = [
            RandAugment(strengths, num_channels),
            Jitter(strengths, num_channels),
            Greyscale(strengths, num_channels),
            Blur(strengths, kernel_px),
            Solarise(strengths),
            Erase(strengths, view_px),
        ]
        if with_places and any(one.rand_augment_operations for one in strengths):
            raise ValueError(
                "views.rand_augment_operations must be left out for a method that asks where in an image views come "
                "from: what RandAugment moves is elsewhere"
            )
        used = [step for step in steps if step.purposes]
        self.steps = nn.ModuleList(used)
        self.draws = StrengthDraws(views, self.geometry.purposes.union(*(step.purposes for step in used)))
        self.masks = None if masking is None else Masks(masking, self.numbers, view_px)
        self.with_places = with_places
        self.view_px: Pixel = view_px
        self.view_size = num_channels * view_px[0] * view_px[1]

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        ids: Int64[Tensor, " n"],
        seed: int | Int64[Tensor, ""],
        *,
        normalise: Callable[[Tensor], Tensor],
    ) -> list[dict[str, Tensor]]:
        """Return the views in the order of their numbers, with what they carry beside their pixels.

        Args:
            images: Pixels in [0, 1].
            ids: The images' numbers.
            seed: Of the views.
            normalise: Comes last.
        """
        num_rows = len(self.numbers) * len(images)
        drawn = self.draws(ids, seed)
        made = {PIXELS: torch.cat([normalise(self._made(*block)) for block in self._blocks(images, drawn, num_rows)])}
        if self.with_places:
            made[PLACES] = self.geometry.frames(drawn, num_rows).places()
        if self.masks is not None:
            made[MASK] = self.masks(ids, seed)
        parts = zip(*(part.unflatten(0, (len(self.numbers), -1)) for part in made.values()), strict=True)
        return [dict(zip(made, view, strict=True)) for view in parts]

    def _blocks(self, images: Tensor, drawn: Drawn, num_rows: int) -> Iterator[tuple[Tensor, Drawn]]:
        """Yield the images of views with what is drawn for them, a few at a time where that is faster."""
        if not reads_are_free(images.device):
            yield images.repeat(len(self.numbers), 1, 1, 1), drawn
            return
        for rows in torch.arange(num_rows).split(max(1, _BLOCK // self.view_size)):
            yield images[rows % len(images)], {name: numbers[..., rows] for name, numbers in drawn.items()}

    def _made(self, images: Tensor, drawn: Drawn) -> Tensor:
        pixels = images
        if not self.geometry.does_nothing:
            pixels = self.geometry(images, self.geometry.frames(drawn, len(images)))
        for step in self.steps:
            pixels = step(pixels, drawn)
        return pixels
