"""PixPro: cells of a feature map agree with the cells of another view that come from about the same place.

Source: Xie et al. 2020, "Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual Representation
Learning", Section 3.2, https://arxiv.org/abs/2011.10043, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from anchorwise.methods.base import Clock, Method, MethodConfig, Projected, Step
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.places import cell_centres, cell_diagonals
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import PLACES, ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin, rising_momentum
from anchorwise.objectives import Objective
from anchorwise.pairs import unit_rows

# b = samples of this rank's batch, p = cells of a map, d = embedding width


@final
class PixelPropagation(nn.Module):
    """Gives every cell a mean of all cells of its map, weighted by how similar they are to it.

    Args:
        width: Of a cell's row.
        sharpness: Power of the cosines, which count from 0 on.
    """

    def __init__(self, width: int, sharpness: float) -> None:
        super().__init__()
        self.value, self.sharpness = nn.Linear(width, width), sharpness

    def forward(self, cells: Float[Tensor, "b p d"]) -> Float[Tensor, "b p d"]:
        """Return `y_i = sum over cells j of max(cos(x_i, x_j), 0)^sharpness value(x_j)`, values of length 1."""
        units, values = unit_rows(cells), unit_rows(self.value(cells))
        weights = (units @ units.transpose(1, 2)).clamp_min(0.0) ** self.sharpness
        return weights @ values


@final
class PixPro(Method):
    """Encoder, head on every cell and propagation on the trained side; a copy of the first two, which follows.

    The cells are those of the encoder's last map before it is pooled. Each view goes through each network alone. The
    release's second branch on whole images, of weight 0 in its scripts, is not here.
    """

    gives = Method.gives | {"keys", "places"}
    hands_over = frozenset({"keys", "places"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "pixel_consistency"}

    class Config(MethodConfig):
        """Settings of PixPro.

        Attributes:
            sharpness: Power of the similarities in the propagation.
            momentum: Of the copy at the start, from where it rises to 1 along half a cosine.
        """

        name: Literal["pixpro"] = "pixpro"
        head: HeadConfig = HeadConfig(hidden_width=4096, output_width=256)
        sharpness: float = Field(default=2.0, ge=1, le=100)
        momentum: float = Field(default=0.99, ge=0, le=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        encoder.check_maps("PixPro")
        self.twin = MomentumTwin(self.online)
        self.propagation = PixelPropagation(self.online.width, config.sharpness)
        self.momentum = config.momentum

    @property
    def plan(self) -> ViewPlan:
        """Two views that say where they come from."""
        return ViewPlan(2, with_places=True)

    def before_step(self, clock: Clock) -> None:
        """Let the copy follow, before it makes keys."""
        self.twin.follow(self.online, rising_momentum(self.momentum, clock.step, clock.num_steps))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions."""
        cells = [_cells(self.online, view) for view in views]
        with torch.no_grad():
            keys = tuple(_cells(cast(Projected, self.twin.network), view)[0].flatten(1) for view in views)
        places = tuple(_places(view, grid) for view, (_, grid) in zip(views, cells, strict=True))
        rows = [self.propagation(of_view).flatten(1) for of_view, _ in cells]
        outcome = self.loss(*rows, batch=batch, keys=keys, places=places)
        means = [of_view.detach().mean(dim=1) for of_view, _ in cells]
        return Step(outcome, (means[0], means[1]))


def _cells(network: Projected, view: View) -> tuple[Float[Tensor, "b p d"], tuple[int, int]]:
    """Return the rows of all cells of a map, and how many cells it is high and wide."""
    maps = network.encoder.maps(view)
    grid = (maps.shape[2], maps.shape[3])
    cells = maps.flatten(2).transpose(1, 2)
    # As one batch of rows: what is normalised over it in the head is so over all cells, as in a 1x1 convolution.
    return network.head(cells.flatten(0, 1)).unflatten(0, cells.shape[:2]), grid


def _places(view: View, grid: tuple[int, int]) -> Float[Tensor, "b _f"]:
    if isinstance(view, Tensor) or PLACES not in view:
        raise ValueError("PixPro needs views that say where they come from; views of your own return none")
    places = view[PLACES]
    centres = cell_centres(places, grid)
    diagonals = cell_diagonals(places, grid)[:, None, None].expand(-1, centres.shape[1], 1)
    return torch.cat([centres, diagonals], dim=2).flatten(1)
