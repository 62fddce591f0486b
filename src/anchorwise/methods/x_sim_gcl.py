"""XSimGCL: LightGCN with noise between its layers, and a contrast of its mean with one of them, in a single pass.

Source: Yu et al. 2024, "XSimGCL: Towards Extremely Simple Graph Contrastive Learning for Recommendation",
https://arxiv.org/abs/2209.02544, and its released code (SELFRec), whose defaults these are.
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
class XSimGCL(Method):
    """One pass a step: the mean over layers is ranked, and contrasted with one layer of the same pass.

    The objective is the contrast, and may be any of two views; it sees users and items apart. The source leaves the
    vectors themselves out of the mean over layers: `encoder.with_first=false`. Rows with noise are ranked in training;
    the encoder that is kept has none.
    """

    gives = frozenset({"ids"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.15, "both_directions": False}

    class Config(MethodConfig):
        """Settings of XSimGCL.

        Attributes:
            contrast_weight: Of the contrast of users plus that of items, beside BPR.
            noise: Length of the noise of every row of every layer.
            contrast_layer: Which layer the mean is contrasted with, from 1 on.
            among: Who is contrasted: the different users and items of a batch, or all of them in every step, which the
                source does not do.
            length_weight: Of the lengths of the rows that are ranked (`anchorwise.methods.users_and_items.lengths_of`).
        """

        name: Literal["x_sim_gcl"] = "x_sim_gcl"
        head: HeadConfig = HeadConfig(num_layers=0)
        contrast_weight: float = Field(default=0.2, ge=0, le=1e6)
        noise: float = Field(default=0.2, ge=0, le=1e6)
        contrast_layer: int = Field(default=1, ge=1, le=64)
        among: Among = "batch"
        length_weight: float = Field(default=1e-4, ge=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        graph = graph_encoder(encoder, config)
        super().__init__(graph, objective, config)
        if config.contrast_layer > graph.num_layers:
            raise ValueError(
                f"method.contrast_layer must be at most encoder.num_layers={graph.num_layers}, got "
                f"{config.contrast_layer}"
            )
        self.contrast_weight, self.length_weight = config.contrast_weight, config.length_weight
        self.noise = config.noise
        self.among: Among = config.among
        self.contrast_layer = config.contrast_layer

    @property
    def plan(self) -> ViewPlan:
        """A user, an item of hers, and one that is not; and the distinct ones of a batch."""
        return ViewPlan(num_negatives=1, distinct=self.among == "batch")

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the ranking with those of contrast and lengths."""
        nodes, encoder = cast(Sequence[Tensor], views), cast(LightGCNEncoder, self.encoder)
        layers = encoder.layers(noise=self.noise)
        both = encoder.combined(layers), layers[self.contrast_layer]
        contrasted = nodes_to_contrast(encoder, self.among, nodes[3:])
        outcome = ranking_with_contrast(
            both[0],
            nodes[:3],
            contrast(self.loss, contrasted, *both),
            length_weight=self.length_weight,
            contrast_weight=self.contrast_weight,
        )
        return Step(outcome, users_seen(contrasted, *both))
