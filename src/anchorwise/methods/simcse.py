"""SimCSE: a sentence and itself under other dropout, or a pair with a hard negative.

Source: Gao, Yao and Chen 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", Eq. 4 and 5,
https://arxiv.org/abs/2104.08821, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class SimCSE(Method):
    """Views and hard negatives in one pass; the hard negatives of all samples are negatives of every anchor.

    What an anchor's own count for is the objective's to say: `hard_negative_log_weight`, in the source 0.

    Like the release's unsupervised models, the head is thrown away after the training; its supervised ones keep it.
    """

    gives = Method.gives | {"hard_negatives"}
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.05, "both_directions": False}

    class Config(MethodConfig):
        """Settings of SimCSE.

        Attributes:
            num_negatives: Hard negatives of every sample: its columns of text behind the positive.
        """

        name: Literal["simcse"] = "simcse"
        head: HeadConfig = HeadConfig(num_layers=1, output_width=768, tanh=True)
        num_negatives: int = Field(default=0, ge=0, le=64)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_negatives = config.num_negatives
        if config.num_negatives and "hard_negatives" not in objective.inputs.takes:
            raise ValueError(
                f"method.num_negatives must be 0 for {type(objective).__name__}, which takes no hard negatives; "
                "cross_view does"
            )

    @property
    def plan(self) -> ViewPlan:
        """Two views, and the hard negatives."""
        return ViewPlan(num_negatives=self.num_negatives)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the pairs, with the hard negatives."""
        first, second, *hard = together(self.online, views)
        there = {"hard_negatives": hard} if hard else {}
        return Step(self.loss(first, second, batch=batch, **there), (first.detach(), second.detach()))
