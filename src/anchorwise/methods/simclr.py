"""SimCLR: one encoder and one projection head for all views.

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", section 2.1,
https://arxiv.org/abs/2002.05709.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.objectives import Objective


@final
class SimCLR(Method):
    """All views of a batch in one pass, and any objective of two views or more.

    Batch normalisation sees the rows of all views together.
    """

    # NT-Xent, as the source calls it.
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "info_nce"}

    class Config(MethodConfig):
        """Settings of SimCLR.

        Attributes:
            num_views: Views of every sample, all drawn alike.
        """

        name: Literal["simclr"] = "simclr"
        num_views: int = Field(default=2, ge=2, le=64)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_views = config.num_views

    @property
    def plan(self) -> ViewPlan:
        """As many views as configured."""
        return ViewPlan(self.num_views)

    @property
    def num_rows(self) -> int:
        """One for every view."""
        return self.num_views

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of all views."""
        rows = together(self.online, views)
        return Step(self.loss(*rows, batch=batch), (rows[0].detach(), rows[1].detach()))
