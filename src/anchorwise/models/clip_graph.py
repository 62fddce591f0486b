"""A graph of the clips of a video, in which near ones tell each other what they have seen."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

# b = videos, k = clips of each, d = width


@final
class ClipGraph(nn.Module):
    """A graph convolution over the clips of a video, added to their rows, and the mean over clips.

    Weights of edges are the softmax of scaled products of rows that two matrices make of the clips', as in Wang and
    Gupta 2018, "Videos as Space-Time Region Graphs", Eq. 1 and 2, https://arxiv.org/abs/1806.01810.

    Args:
        width: Of a row.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sources, self.targets = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.convolution = nn.Sequential(nn.Linear(width, width, bias=False), nn.LayerNorm(width), nn.ReLU())

    def forward(self, rows: Float[Tensor, "b k d"]) -> Float[Tensor, "b d"]:
        """Return one row per video."""
        products = self.sources(rows) @ self.targets(rows).transpose(1, 2)
        edges = (products / math.sqrt(rows.shape[2])).softmax(dim=2)
        return (rows + self.convolution(edges @ rows)).mean(dim=1)
