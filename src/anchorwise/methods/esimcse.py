"""ESimCSE: SimCSE with keys of earlier batches as further negatives.

Source: Wu et al. 2022, "ESimCSE: Enhanced Sample Building Method for Contrastive Learning of Unsupervised Sentence
Embedding", section 3, https://arxiv.org/abs/2109.04380, and its released code. Its tokens that are doubled are a
setting of the views (`views.repetition`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective


@final
class ESimCSE(Method):
    """Two views through one encoder, and a queue of keys by its moving average, made without dropout.

    The queue starts empty and holds keys of first views, which are as they were written. Only the encoder is averaged:
    keys go through the trained head. The average starts as the encoder does; in the release it starts from random
    weights, since it is copied before the encoder's own are read, of which below one percent is left after 920 steps.
    """

    gives = Method.gives | {"queue", "queue_ids"}
    hands_over = frozenset({"queue"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.05, "both_directions": False}

    class Config(MethodConfig):
        """Settings of ESimCSE.

        Attributes:
            momentum: Of the average.
            num_queued: Keys in the queue; the source has 2.5 times its batch of 64, and 128 for large models.
        """

        name: Literal["esimcse"] = "esimcse"
        head: HeadConfig = HeadConfig(num_layers=1, output_width=None, tanh=True)
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_queued: int = Field(default=160, ge=1, le=10_000_000)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(encoder)
        self.queue = Queue(config.num_queued, self.online.width)
        self.momentum = config.momentum

    def train(self, mode: bool = True) -> "ESimCSE":
        """Set the mode of all but the average, which has no dropout at any time."""
        super().train(mode)
        self.twin.eval()
        return self

    def check(self, outlook: Outlook) -> None:
        """Refuse a queue that does not hold a batch."""
        outlook.check_queue(len(self.queue.rows))

    def before_step(self, clock: Clock) -> None:
        """Let the average follow, before it makes keys."""
        self.twin.follow(self.encoder, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss against the queue as it was, then put this batch's keys in."""
        first, second = together(self.online, views)
        queue = {"queue": self.queue.rows.clone(), "queue_ids": self.queue.ids.clone(), "ids": batch.excluded_ids}
        outcome = self.loss(first, second, batch=batch, **queue)
        with torch.no_grad():
            self.queue.push(self.online.head(self.twin(views[0])), batch.excluded_ids)
        return Step(outcome, (first.detach(), second.detach()))
