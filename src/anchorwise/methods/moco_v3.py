"""MoCo v3: queries of both views against the momentum encoder's keys of the other, without a queue.

Source: Chen et al. 2021, "An Empirical Study of Training Self-Supervised Vision Transformers", Algorithm 1,
https://arxiv.org/abs/2104.02057, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig, Predictor, PredictorConfig
from anchorwise.models.momentum import MomentumTwin, rising_momentum
from anchorwise.objectives import Objective


class QueriesAndKeysConfig(MethodConfig):
    """Settings of queries and keys; the heads are those that the release gives a ResNet.

    Attributes:
        predictor: What stands behind the projector on the trained side only.
        momentum: Of the key encoder at the start, from where it rises to 1 along half a cosine; the source has 0.99
            in short and 0.996 in long trainings.
    """

    head: HeadConfig = HeadConfig(hidden_width=4096, output_width=256, bias=False, output_norm="plain")
    predictor: PredictorConfig = PredictorConfig(hidden_width=4096, bias=False)
    momentum: float = Field(default=0.99, ge=0, le=1)


class QueriesAndKeys(Method):
    """Encoder, projector and predictor make queries; a copy of the first two, which follows, makes keys."""

    gives = Method.gives | {"keys"}
    hands_over = frozenset({"keys"})
    # Its temperature for transformers; the source has 1 for ResNet-50.
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "moco_v3"}

    def __init__(self, encoder: Encoder, objective: Objective, config: QueriesAndKeysConfig) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.predictor = Predictor(config.predictor, width=self.online.width)
        self.momentum = config.momentum

    def before_step(self, clock: Clock) -> None:
        """Let the key encoder follow, before it makes keys."""
        self.twin.follow(self.online, rising_momentum(self.momentum, clock.step, clock.num_steps))


@final
class MoCoV3(QueriesAndKeys):
    """Queries of either view against the keys of the other; each view goes through each network alone."""

    class Config(QueriesAndKeysConfig):
        """Settings of MoCo v3."""

        name: Literal["moco_v3"] = "moco_v3"

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions."""
        queries = [self.predictor(self.online(view)) for view in views]
        keys = tuple(self.twin(view) for view in views)
        return Step(self.loss(*queries, batch=batch, keys=keys), (queries[0].detach(), queries[1].detach()))
