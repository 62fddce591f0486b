"""A cross-encoder: it reads a query and a candidate as one text and says yes or no, and so puts candidates in order.

Source: Nogueira and Cho 2019, "Passage Re-ranking with BERT", https://arxiv.org/abs/1901.04085; trained by contrast
over candidates or by classification, as Dai et al. 2025 compare, https://arxiv.org/abs/2510.14824.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class CrossEncoder(Method):
    """All pairs of a batch's queries and their own candidates in one pass; lists of two queries never meet."""

    gives = frozenset({"no_scores"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "listwise_ranking"}

    class Config(MethodConfig):
        """Settings of a cross-encoder.

        Attributes:
            num_candidates: Of every query: its positive and the hard negatives in the columns behind it.
        """

        name: Literal["cross_encoder"] = "cross_encoder"
        head: HeadConfig = HeadConfig(num_layers=0)
        num_candidates: int = Field(default=20, ge=2, le=1000)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        if self.online.width != 2:
            raise ValueError(
                f"a cross-encoder needs two numbers for every pair, for yes and for no, got {self.online.width}; set "
                "encoder.pooling=classifier and method.head.num_layers=0"
            )
        self.num_candidates = config.num_candidates

    @property
    def plan(self) -> ViewPlan:
        """The query with its positive, and with every hard negative."""
        return ViewPlan(num_views=1, num_negatives=self.num_candidates - 1, joined=True)

    @property
    def num_rows(self) -> int:
        """One: the scores of its candidates."""
        return 1

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the lists, in which the positive stands first."""
        answers = torch.stack(together(self.online, views), dim=1)
        return Step(self.loss(answers[..., 0], batch=batch, no_scores=answers[..., 1]), ())
