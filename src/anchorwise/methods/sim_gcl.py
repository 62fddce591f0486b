"""SimGCL: LightGCN, with a contrast between two passes over the graph that noise tells apart.

Source: Yu et al. 2022, "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for Recommendation",
Eq. 7 to 9, https://arxiv.org/abs/2112.08679, and its released code (SELFRec), whose defaults these are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field
from torch import Tensor

from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.methods.users_and_items import (
    Among,
    contrast,
    graph_encoder,
    nodes_to_contrast,
    ranking_with_contrast,
    users_seen,
)
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class SimGCL(Method):
    """Three passes a step: one without noise is ranked, the rows of two with noise are contrasted.

    The objective is the contrast, and may be any of two views; it sees users and items apart. The source leaves the
    vectors themselves out of the mean over layers: `encoder.with_first=false`.
    """

    gives = frozenset({"ids"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.2, "both_directions": False}

    class Config(MethodConfig):
        """Settings of SimGCL.

        Attributes:
            contrast_weight: Of the contrast of users plus that of items, beside BPR.
            noise: Length of the noise of every row of every layer.
            among: Who is contrasted: the different users and items of a batch, or all of them in every step, which the
                source does not do.
            length_weight: Of the lengths of the rows that are ranked (`anchorwise.methods.users_and_items.lengths_of`).
        """

        name: Literal["sim_gcl"] = "sim_gcl"
        head: HeadConfig = HeadConfig(num_layers=0)
        contrast_weight: float = Field(default=0.5, ge=0, le=1e6)
        noise: float = Field(default=0.1, ge=0, le=1e6)
        among: Among = "batch"
        length_weight: float = Field(default=1e-4, ge=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(graph_encoder(encoder, config), objective, config)
        self.contrast_weight, self.length_weight = config.contrast_weight, config.length_weight
        self.noise = config.noise
        self.among: Among = config.among

    @property
    def plan(self) -> ViewPlan:
        """A user, an item of hers, and one that is not; and the distinct ones of a batch."""
        return ViewPlan(num_negatives=1, distinct=self.among == "batch")

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the ranking with those of contrast and lengths."""
        nodes, encoder = cast(Sequence[Tensor], views), cast(LightGCNEncoder, self.encoder)
        noisy = [encoder.combined(encoder.layers(noise=self.noise)) for _ in range(2)]
        contrasted = nodes_to_contrast(encoder, self.among, nodes[3:])
        outcome = ranking_with_contrast(
            encoder.all_rows(),
            nodes[:3],
            contrast(self.loss, contrasted, *noisy),
            length_weight=self.length_weight,
            contrast_weight=self.contrast_weight,
        )
        return Step(outcome, users_seen(contrasted, *noisy))
