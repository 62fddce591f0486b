"""Two segments of one participant, each against the momentum encoder's row of the other; rows are kept apart.

Source: Abbaspourazad et al. 2024, "Large-scale Training of Foundation Models for Wearable Biosignals", section 3,
https://arxiv.org/abs/2312.05409, as its abstract, two public re-implementations and the code released later have it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, averaged, with_term
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import KoLeo, Objective
from anchorwise.objectives.parts.one_state import from_one_state


@final
class Wearables(Method):
    """The mean over both directions of an objective on a trained row and the other view's key, and KoLeo of the former.

    Any two views: that they are two segments of one participant is the views' (`views.pairs=participant`), and that a
    participant is in a batch once is the order's (`order.name=one_per_group`). Keys come from a copy of encoder and
    head that follows, and have no gradient. With its own objective the contrast is MoCo v3's without predictor and
    without its factor; `objective.name=info_nce` is that of the code released later, where rows of the same view are
    negatives too. There half of KoLeo falls on keys, which take no gradient: it pushes as `koleo_weight=0.05` does
    here. The source's dropout in the head is left out.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.04, "both_directions": False}

    class Config(MethodConfig):
        """Settings of the wearables' method.

        Attributes:
            momentum: Of the copy, at every step.
            koleo_weight: Of KoLeo, the mean over the trained rows of both views; 0 leaves it out.
        """

        name: Literal["wearables"] = "wearables"
        head: HeadConfig = HeadConfig(hidden_width=1024, norm="none")
        momentum: float = Field(default=0.99, ge=0, le=1)
        koleo_weight: float = Field(default=0.1, ge=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.spread = KoLeo()
        self.momentum, self.koleo_weight = config.momentum, config.koleo_weight
        self.adds_losses = config.koleo_weight > 0

    def before_step(self, clock: Clock) -> None:
        """Let the copy follow, before it makes keys."""
        self.twin.follow(self.online, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions, and of rows that are near each other."""
        rows = tuple(self.online(view) for view in views)
        keys = tuple(self.twin(view) for view in views)
        calls = [partial(self.loss, rows[query], keys[1 - query], batch=batch) for query in (0, 1)]
        outcome = averaged(from_one_state(self.objective, calls))
        if self.koleo_weight:
            apart = batch.shared_ids
            outcome = with_term(outcome, self.spread.detail(*rows, ids=apart), weight=self.koleo_weight)
        return Step(outcome, (rows[0].detach(), rows[1].detach()))
