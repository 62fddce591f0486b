"""Which patches of a view are hidden.

Source of blocks: Bao et al. 2021, "BEiT", Algorithm 1, https://arxiv.org/abs/2106.08254, and iBOT's released code, with
ten tries at a rectangle. What they do not fill stays visible, as there.
"""

from collections.abc import Collection
from math import log
from typing import final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from anchorwise.modalities.draws import MAX_PURPOSES, Draws
from anchorwise.modalities.images.views.drawn import FIRST_OF_MASKS
from anchorwise.modalities.views import Masking

# p = views, n = images, r = views of images, h = rows of patches, w = columns of patches

_NUM_TRIED, _MIN_PATCHES, _LOG_RATIO = 10, 4, log(1 / 0.3)


@final
class Masks(nn.Module):
    """Draws the masks of views of one size.

    Args:
        masking: What to hide.
        views: Numbers of the views.
        view_px: Their height and width.

    Raises:
        ValueError: If patches do not tile the views, or are too many.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, masking: Masking, views: Collection[int], view_px: tuple[int, int]) -> None:
        super().__init__()
        self.masking = masking
        if any(side % masking.patch_px for side in view_px):
            raise ValueError(
                f"patches of {masking.patch_px} px do not tile views of {view_px[0]} x {view_px[1]} px; take a size "
                "that divides both sides"
            )
        self.grid = (view_px[0] // masking.patch_px, view_px[1] // masking.patch_px)
        count = 4 * _NUM_TRIED if masking.in_blocks else self.grid[0] * self.grid[1]
        if count >= MAX_PURPOSES - FIRST_OF_MASKS:
            raise ValueError(
                f"views of {view_px[0]} x {view_px[1]} px have {count:,} patches of {masking.patch_px} px; up to "
                f"{MAX_PURPOSES - FIRST_OF_MASKS - 1:,} are hidden one by one: take larger patches, or blocks"
            )
        self.draws = Draws(list(views), range(FIRST_OF_MASKS, FIRST_OF_MASKS + 1 + count))
        for name, length in zip(("rows", "columns"), self.grid, strict=True):
            self.register_buffer(name, torch.arange(length), persistent=False)

    def forward(self, ids: Int64[Tensor, " n"], seed: int | Int64[Tensor, ""]) -> Bool[Tensor, "r h w"]:
        """Return true for every hidden patch of every view of every image."""
        drawn = self.draws(ids, seed).flatten(start_dim=1)
        low, high = self.masking.ratio
        num_hidden = ((low + (high - low) * drawn[0]) * (self.grid[0] * self.grid[1])).round_()
        return self._blocks(drawn[1:], num_hidden) if self.masking.in_blocks else self._patches(drawn[1:], num_hidden)

    def _patches(self, drawn: Tensor, num_hidden: Tensor) -> Tensor:
        """Hide those with the smallest numbers."""
        ranks = drawn.argsort(dim=0, stable=True).argsort(dim=0)
        return (ranks < num_hidden).T.unflatten(1, self.grid)

    def _blocks(self, drawn: Tensor, num_hidden: Tensor) -> Tensor:
        """Hide rectangles one after the other; one that would hide too many, or does not fit, is left out."""
        hidden = torch.zeros(drawn.shape[1], *self.grid, dtype=torch.bool, device=drawn.device)
        for area, ratio, top, left in drawn.unflatten(0, (_NUM_TRIED, 4)):
            left_over = num_hidden - hidden.sum(dim=(1, 2))
            area = _MIN_PATCHES + (left_over - _MIN_PATCHES).clamp_(min=0.0) * area
            ratio = (_LOG_RATIO * (2.0 * ratio - 1.0)).exp()
            height, width = (area * ratio).sqrt().round_(), (area / ratio).sqrt().round_()
            top, left = (top * (self.grid[0] + 1 - height)).floor_(), (left * (self.grid[1] + 1 - width)).floor_()
            in_rows = (self.rows >= top[:, None]) & (self.rows < (top + height)[:, None])
            in_columns = (self.columns >= left[:, None]) & (self.columns < (left + width)[:, None])
            block = in_rows[:, :, None] & in_columns[:, None, :]
            fits = (height <= self.grid[0]) & (width <= self.grid[1])
            fits &= (block & ~hidden).sum(dim=(1, 2)) <= left_over
            hidden |= block & fits[:, None, None]
        return hidden
