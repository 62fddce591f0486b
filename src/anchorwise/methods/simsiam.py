"""SimSiam: one network predicts its own projection of the other view; there are neither negatives nor a copy.

Source: Chen and He 2020, "Exploring Simple Siamese Representation Learning", Algorithm 1,
https://arxiv.org/abs/2011.10566, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from torch import nn

from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig, Predictor, PredictorConfig
from anchorwise.objectives import Objective


@final
class SimSiam(Method):
    """Encoder, projector and predictor; the targets are the projections, without gradient.

    Each view goes through the network alone. The predictor's learning rate stays at its peak.
    """

    gives = Method.gives | {"keys"}
    hands_over = frozenset({"keys"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "prediction", "form": "simsiam"}

    class Config(MethodConfig):
        """Settings of SimSiam.

        Attributes:
            predictor: A bottleneck behind the projector.
            constant_predictor_rate: Whether the predictor's learning rate does not fall, as in the source.
        """

        name: Literal["simsiam"] = "simsiam"
        head: HeadConfig = HeadConfig(hidden_width=2048, output_width=2048, num_layers=3, output_norm="plain")
        predictor: PredictorConfig = PredictorConfig(hidden_width=512)
        constant_predictor_rate: bool = True

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.predictor = Predictor(config.predictor, width=self.online.width)
        self.constant_predictor_rate = config.constant_predictor_rate

    def constant_rate(self) -> Sequence[nn.Parameter]:
        """Return the predictor's parameters, where they are to stay at the peak."""
        return list(self.predictor.parameters()) if self.constant_predictor_rate else ()

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions."""
        targets = tuple(self.online(view) for view in views)
        predictions = [self.predictor(target) for target in targets]
        outcome = self.loss(*predictions, batch=batch, keys=tuple(target.detach() for target in targets))
        return Step(outcome, (targets[0].detach(), targets[1].detach()))
