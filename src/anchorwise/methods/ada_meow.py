"""AdaMEOW: a fine view of every node against the coarse views of all, each weighed by a network that learns beside.

Source: Yu, Ge, Li and Zhou 2024, "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
Weighted Negative Samples", https://arxiv.org/abs/2212.13847, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from torch import nn

from anchorwise._config import Width
from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class AdaMEOW(Method):
    """The fine rows are anchors, the coarse rows keys: the other way round than in MEOW, as both sources have it."""

    gives = Method.gives | {"network"}
    hands_over = frozenset({"network"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "ada_meow", "temperature": 1.0}

    class Config(MethodConfig):
        """Settings of AdaMEOW.

        Attributes:
            hidden_width: Units of the network that weighs pairs.
        """

        name: Literal["ada_meow"] = "ada_meow"
        head: HeadConfig = HeadConfig(num_layers=1, output_width=64, tanh=True)
        hidden_width: Width = 16

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        hidden = config.hidden_width
        self.weigh = nn.Sequential(nn.Linear(self.online.width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the fine rows."""
        coarse, fine = (self.online(view) for view in views)
        outcome = self.loss(fine, coarse, batch=batch, network=self.weigh)
        return Step(outcome, (fine.detach(), coarse.detach()))
