"""SIRL: features from people's answers to which two of three are alike.

Source: Bobu et al. 2023, "SIRL: Similarity-based Implicit Representation Learning", https://arxiv.org/abs/2301.00810.
Its code was not found; margin and network are not said in what could be read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class SIRL(Method):
    """Two samples that are alike, and one that is not: all three in one pass, and triplets of their rows.

    The encoder's own features are compared, without a head and with their lengths, so that distances between
    trajectories are what the answers were about.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "triplet", "normalise": False}

    class Config(MethodConfig):
        """Settings of SIRL."""

        name: Literal["sirl"] = "sirl"
        head: HeadConfig = HeadConfig(num_layers=0)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        if objective.inputs.max_views != 3:
            raise ValueError(
                f"objective.name must be one of three rows, of which the last is not alike, got "
                f"{type(objective).__name__}; triplet is one, and pairs with hard negatives train with "
                "method.name=simcse"
            )

    @property
    def plan(self) -> ViewPlan:
        """Two views that are alike, and one that is not."""
        return ViewPlan(num_negatives=1)

    @property
    def num_rows(self) -> int:
        """Three."""
        return self.plan.total

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the triplets."""
        first, second, other = together(self.online, views)
        return Step(self.loss(first, second, other, batch=batch), (first.detach(), second.detach()))
