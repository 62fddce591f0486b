"""SimGCL: LightGCN, with a contrast between two passes over the graph that noise tells apart.

Source: Yu et al. 2022, "Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for Recommendation",
Eq. 7 to 9, https://arxiv.org/abs/2112.08679, and its released code (SELFRec), whose defaults these are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field
from torch import Tensor

from anchorwise.methods.base import Step
from anchorwise.methods.users_and_items import RankedAndContrasted, RankedAndContrastedConfig
from anchorwise.modalities.samples import Batch, View


@final
class SimGCL(RankedAndContrasted):
    """Three passes a step: one without noise is ranked, the rows of two with noise are contrasted.

    The objective is the contrast, and may be any of two views; it sees users and items apart. The source leaves the
    vectors themselves out of the mean over layers: `encoder.with_first=false`.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.2, "both_directions": False}

    class Config(RankedAndContrastedConfig):
        """Settings of SimGCL, the source's where nothing is said."""

        name: Literal["sim_gcl"] = "sim_gcl"
        contrast_weight: float = Field(default=0.5, ge=0, le=1e6)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the ranking with those of contrast and lengths."""
        first, second = (self.graph.combined(self.graph.layers(noise=self.noise)) for _ in range(2))
        return self.ranked_and_contrasted(cast(Sequence[Tensor], views), self.graph.all_rows(), (first, second))
