"""G2L's contrast: moments and the sentences about them, whose negatives count by how far apart moments are on a graph.

Source: Li et al. 2023, "G2L: Semantically Aligned and Uniform Video Grounding via Geodesic and Game Theory",
https://arxiv.org/abs/2307.14277. The abstract was read and no code was found: graph, weights and settings are this
library's construction, and its grounding loss and its term of interactions are left out
(`anchorwise.models.shapley` has the interaction itself).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise._config import Count
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.geodesic import geodesic_weights
from anchorwise.objectives import Objective


@final
class G2L(Method):
    """CLIP with weights of negatives: those along the graph of the first view's rows, `geodesic_weights`.

    The first view is the moment, or the image; the second is the sentence. Where all weights are 1 it is CLIP.
    """

    gives = Method.gives | {"logit_scale", "log_weights"}
    hands_over = frozenset({"log_weights"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "clip"}

    class Config(MethodConfig):
        """Settings of G2L's contrast.

        Attributes:
            num_neighbours: Of every row of a batch in the graph.
            max_scale: What the learnt scale of cosines is at most.
        """

        name: Literal["g2l"] = "g2l"
        head: HeadConfig = HeadConfig(num_layers=0)
        num_neighbours: Count = 5
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.scale = learnt_scale(objective, most=config.max_scale)
        self.num_neighbours = config.num_neighbours

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the contrast of both views, weighed."""
        first, second = together(self.online, views)
        weights = geodesic_weights(gather_rows(first.detach()), self.num_neighbours)
        outcome = self.loss(first, second, batch=batch, log_weights=weights, **scale_of(self.scale))
        return Step(outcome, (first.detach(), second.detach()))

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()
