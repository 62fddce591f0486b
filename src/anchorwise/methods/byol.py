"""BYOL: the trained side predicts what its own moving average makes of the other view; there are no negatives.

Source: Grill et al. 2020, "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", Section 3,
https://arxiv.org/abs/2006.07733, and its released code.
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


@final
class BYOL(Method):
    """Encoder, projector and predictor on the trained side; a copy of the first two, which follows, makes the targets.

    Each view goes through each network alone.
    """

    gives = Method.gives | {"keys"}
    hands_over = frozenset({"keys"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "prediction", "form": "byol"}

    class Config(MethodConfig):
        """Settings of BYOL.

        Attributes:
            predictor: What stands behind the projector on the trained side only.
            momentum: Of the target network at the start, from where it rises to 1 along half a cosine; the source has
                0.97 to 0.996, the more the longer. In 500 steps 0.996 leaves the target at its start.
        """

        name: Literal["byol"] = "byol"
        head: HeadConfig = HeadConfig(hidden_width=4096, output_width=256)
        predictor: PredictorConfig = PredictorConfig(hidden_width=4096)
        momentum: float = Field(default=0.97, ge=0, le=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.predictor = Predictor(config.predictor, width=self.online.width)
        self.momentum = config.momentum

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions."""
        predictions = [self.predictor(self.online(view)) for view in views]
        keys = tuple(self.twin(view) for view in views)
        return Step(self.loss(*predictions, batch=batch, keys=keys), (predictions[0].detach(), predictions[1].detach()))

    def after_step(self, clock: Clock) -> None:
        """Let the target network follow the new weights."""
        self.twin.follow(self.online, rising_momentum(self.momentum, clock.step, clock.num_steps))
