"""XSimGCL: LightGCN with noise between its layers, and a contrast of its mean with one of them, in a single pass.

Source: Yu et al. 2024, "XSimGCL: Towards Extremely Simple Graph Contrastive Learning for Recommendation",
https://arxiv.org/abs/2209.02544, and its released code (SELFRec), whose defaults these are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field
from torch import Tensor

from anchorwise.methods.base import Step
from anchorwise.methods.users_and_items import RankedAndContrasted, RankedAndContrastedConfig
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.objectives import Objective


@final
class XSimGCL(RankedAndContrasted):
    """One pass a step: the mean over layers is ranked, and contrasted with one layer of the same pass.

    The objective is the contrast, and may be any of two views; it sees users and items apart. The source leaves the
    vectors themselves out of the mean over layers: `encoder.with_first=false`. Rows with noise are ranked in training;
    the encoder that is kept has none.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.15, "both_directions": False}

    class Config(RankedAndContrastedConfig):
        """Settings of XSimGCL, the source's where nothing is said.

        Attributes:
            contrast_layer: Which layer the mean is contrasted with, from 1 on.
        """

        name: Literal["x_sim_gcl"] = "x_sim_gcl"
        noise: float = Field(default=0.2, ge=0, le=1e6)
        contrast_layer: int = Field(default=1, ge=1, le=64)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        if config.contrast_layer > self.graph.num_layers:
            raise ValueError(
                f"method.contrast_layer must be at most encoder.num_layers={self.graph.num_layers}, got "
                f"{config.contrast_layer}"
            )
        self.contrast_layer = config.contrast_layer

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the ranking with those of contrast and lengths."""
        layers = self.graph.layers(noise=self.noise)
        mean = self.graph.combined(layers)
        return self.ranked_and_contrasted(cast(Sequence[Tensor], views), mean, (mean, layers[self.contrast_layer]))
