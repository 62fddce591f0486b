"""LightGCN: what a user chose ranked above what she did not, by rows that were passed along the graph.

Source: He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", Eq. 15,
https://arxiv.org/abs/2002.02126, and its released code for PyTorch.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from pydantic import Field
from torch import Tensor

from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, with_term
from anchorwise.methods.users_and_items import graph_encoder
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective, Outcome

# b = interactions of this rank's batch


@final
class LightGCN(Method):
    """A user, an item of hers and one that is not; beside the loss, half the squared lengths of their own vectors."""

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "bpr"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of LightGCN.

        Attributes:
            length_weight: Of half the squared lengths of the three vectors, as they are before they are passed on.
        """

        name: Literal["light_gcn"] = "light_gcn"
        head: HeadConfig = HeadConfig(num_layers=0)
        length_weight: float = Field(default=1e-4, ge=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(graph_encoder(encoder, config), objective, config)
        self.length_weight = config.length_weight

    @property
    def plan(self) -> ViewPlan:
        """A user, an item of hers, and one that is not."""
        return ViewPlan(num_negatives=1)

    @property
    def num_rows(self) -> int:
        """Three."""
        return 3

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the ranking with that of the lengths."""
        nodes, encoder = cast(Sequence[Tensor], views), cast(LightGCNEncoder, self.encoder)
        layers = encoder.layers()
        users, chosen, others = (encoder.combined(layers)[each] for each in nodes)
        squares = torch.stack([layers[0][each].float().square().sum(dim=1) for each in nodes])
        lengths = 0.5 * gather_rows(squares.sum(dim=0))
        term = Outcome(lengths.mean(), lengths.detach())
        outcome = with_term(self.loss(users, chosen, others, batch=batch), term, weight=self.length_weight)
        return Step(outcome, (users.detach(), chosen.detach()))
