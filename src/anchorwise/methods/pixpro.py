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

from anchorwise.methods.base import Method, MethodConfig, Projected, Step, with_term
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.places import cell_centres, cell_diagonals
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import PLACES, ViewPlan
from anchorwise.models import HeadConfig, Predictor, ProjectionHead
from anchorwise.models.momentum import MomentumTwin, rising_momentum
from anchorwise.objectives import Objective, Outcome, Prediction
from anchorwise.pairs import unit_rows

# b = samples of this rank's batch, p = cells of a map, f = features, d = embedding width


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
    release's second branch is on whole images: of a second head on every cell, and a predictor of the same form behind
    it on the trained side, the mean over the cells; `-2 cos`, both directions added. Its scripts leave it out, as the
    default does here.
    """

    gives = Method.gives | {"keys", "places"}
    hands_over = frozenset({"keys", "places"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "pixel_consistency"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of PixPro.

        Attributes:
            sharpness: Power of the similarities in the propagation.
            momentum: Of the copy at the start, from where it rises to 1 along half a cosine.
            instance_weight: Multiplies the loss of the branch on whole images, above 0; None leaves it out.
        """

        name: Literal["pixpro"] = "pixpro"
        head: HeadConfig = HeadConfig(hidden_width=4096, output_width=256)
        sharpness: float = Field(default=2.0, ge=1, le=100)
        momentum: float = Field(default=0.99, ge=0, le=1)
        instance_weight: float | None = Field(default=None, gt=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        encoder.check_maps("PixPro")
        self.twin = MomentumTwin(self.online)
        self.propagation = PixelPropagation(self.online.width, config.sharpness)
        self.momentum = config.momentum
        branch = None if config.instance_weight is None else _Instances(encoder.num_features, config.head)
        self.instances, self.instance_weight = branch, config.instance_weight

    @property
    def plan(self) -> ViewPlan:
        """Two views that say where they come from."""
        return ViewPlan(2, with_places=True)

    def before_step(self, clock: Clock) -> None:
        """Let the copy follow, before it makes keys."""
        momentum = rising_momentum(self.momentum, clock.step, clock.num_steps)
        self.twin.follow(self.online, momentum)
        if self.instances is not None:
            self.instances.twin.follow(self.instances.head, momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions."""
        twin = cast(Projected, self.twin.network)
        maps = [self.encoder.maps(view) for view in views]
        with torch.no_grad():
            targets = [_cells(twin.encoder.maps(view)) for view in views]
            keys = tuple(_of_each(twin.head, cells).flatten(1) for cells in targets)
        cells = [_cells(of_view) for of_view in maps]
        projected = [_of_each(self.online.head, of_view) for of_view in cells]
        places = tuple(
            _places(view, (of_view.shape[2], of_view.shape[3])) for view, of_view in zip(views, maps, strict=True)
        )
        rows = [self.propagation(of_view).flatten(1) for of_view in projected]
        outcome = self.loss(*rows, batch=batch, keys=keys, places=places)
        if self.instances is not None and self.instance_weight is not None:
            # -4 times the mean over both directions is -2 times their sum.
            outcome = with_term(outcome, self.instances(cells, targets), weight=4.0 * self.instance_weight)
        means = [of_view.detach().mean(dim=1) for of_view in projected]
        return Step(outcome, (means[0], means[1]))


@final
class _Instances(nn.Module):
    """The branch on whole images: a head, its copy, and a predictor on the trained side, each on every cell.

    Args:
        num_features: Of a cell.
        config: Of the head; the predictor is like it.
    """

    def __init__(self, num_features: int, config: HeadConfig) -> None:
        super().__init__()
        self.head = ProjectionHead(config, num_features=num_features)
        self.twin = MomentumTwin(self.head)
        self.predictor = Predictor(config, width=self.head.width)
        self.by_cosine = Prediction(form="simsiam")

    def forward(self, cells: Sequence[Float[Tensor, "b p f"]], targets: Sequence[Float[Tensor, "b p f"]]) -> Outcome:
        """Return the mean of -cos over both directions, of both views' cells and of what the copy makes of them."""
        said = [_of_each(self.predictor, _of_each(self.head, of_view)).mean(dim=1) for of_view in cells]
        keys = [_of_each(self.twin, of_view).mean(dim=1) for of_view in targets]
        return self.by_cosine.detail(said[0], said[1], keys=(keys[0], keys[1]))


def _cells(maps: Float[Tensor, "b f _h _w"]) -> Float[Tensor, "b p f"]:
    return maps.flatten(2).transpose(1, 2)


def _of_each(head: nn.Module, cells: Float[Tensor, "b p _f"]) -> Float[Tensor, "b p d"]:
    # As one batch of rows: what is normalised over it in the head is so over all cells, as in a 1x1 convolution.
    return head(cells.flatten(0, 1)).unflatten(0, cells.shape[:2])


def _places(view: View, grid: tuple[int, int]) -> Float[Tensor, "b _f"]:
    if isinstance(view, Tensor) or PLACES not in view:
        raise ValueError("PixPro needs views that say where they come from; views of your own return none")
    places = view[PLACES]
    centres = cell_centres(places, grid)
    diagonals = cell_diagonals(places, grid)[:, None, None].expand(-1, centres.shape[1], 1)
    return torch.cat([centres, diagonals], dim=2).flatten(1)
