"""Where a token stands: a learnt row for every place of a grid."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

# p = places of a grid, d = width


@final
class Positions(nn.Module):
    """A learnt row for every place of a grid, interpolated for grids of other sizes, as those of small crops.

    Source: Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words", Eq. 1 and Section 3.2,
    https://arxiv.org/abs/2010.11929.

    Args:
        grid: Its rows and columns.
        width: Of a row.
    """

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, width, *grid), std=0.02))

    def forward(self, grid: tuple[int, int]) -> Float[Tensor, "1 p d"]:
        """Return the rows of all places of such a grid, row by row."""
        table = self.table
        if grid != self.grid:
            table = interpolate(table, grid, mode="bicubic", antialias=True)
        return table.flatten(2).transpose(1, 2)
