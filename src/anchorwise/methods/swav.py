"""SwAV: every crop predicts the prototypes to which the two large crops are assigned.

Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
https://arxiv.org/abs/2006.09882, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from pydantic import Field
from torch import Tensor, nn

from anchorwise.methods.base import Method, MethodConfig, Step, by_size
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective
from anchorwise.pairs import unit_rows


@final
class SwAV(Method):
    """Crops of one size in one pass; prototypes of length 1; earlier rows help to balance small batches.

    The assigned crops are the two large ones. The queue is one for each of them, and in use once it is full.
    """

    gives = Method.gives | {"prototypes", "queues"}
    hands_over = frozenset({"prototypes"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "swav"}

    class Config(MethodConfig):
        """Settings of SwAV.

        Attributes:
            num_prototypes: Centres on the sphere; the source has 3,000 on ImageNet.
            num_small: Smaller crops beside the two large ones; the source has 6.
            num_queued: Earlier rows of each large crop; 0 for none. The source has 3,840 at batches of 256, none at
                4,096.
            queue_from_epoch: When the queues start to fill; the source has 15.
            freeze_epochs: How long the prototypes stay as they are at first; the source has 1.
        """

        name: Literal["swav"] = "swav"
        num_prototypes: int = Field(default=512, ge=2, le=1_000_000)
        num_small: int = Field(default=0, ge=0, le=64)
        num_queued: int = Field(default=0, ge=0, le=10_000_000)
        queue_from_epoch: float = Field(default=15.0, ge=0, le=1e6)
        freeze_epochs: float = Field(default=1.0, ge=0, le=1e6)
        head: HeadConfig = HeadConfig(hidden_width=2048)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_small = config.num_small
        self.prototypes = nn.Parameter(unit_rows(torch.randn(config.num_prototypes, self.online.width)))
        num_queues = 2 if config.num_queued else 0
        self.queues = nn.ModuleList(Queue(config.num_queued, self.online.width) for _ in range(num_queues))
        self.queue_from_epoch, self.freeze_epochs = config.queue_from_epoch, config.freeze_epochs
        self.fills_queues = self.holds_prototypes = False

    @property
    def plan(self) -> ViewPlan:
        """Two large crops, which are assigned, and the small ones."""
        return ViewPlan(2, self.num_small)

    @property
    def num_rows(self) -> int:
        """One for every crop."""
        return 2 + self.num_small

    def check(self, outlook: Outlook) -> None:
        """Refuse queues that do not hold a batch, or would never fill."""
        if self.queues:
            outlook.check_queue(len(self._queues()[0].rows))
            outlook.check_begins("method.queue_from_epoch", self.queue_from_epoch, "the queues would never fill")

    @torch.no_grad()
    def before_step(self, clock: Clock) -> None:
        """Bring the prototypes back to length 1."""
        self.prototypes.copy_(unit_rows(self.prototypes))
        self.fills_queues = clock.epoch >= self.queue_from_epoch
        self.holds_prototypes = clock.epoch < self.freeze_epochs

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of all predictions, then put the large crops' rows into the queues."""
        rows = by_size(self.online, views, self.plan)
        outcome = self.loss(*rows, batch=batch, prototypes=self.prototypes, queues=self._earlier())
        if self.fills_queues:
            for queue, crop in zip(self._queues(), rows[:2], strict=False):
                queue.push(crop, batch.ids)
        return Step(outcome, (rows[0].detach(), rows[1].detach()))

    def after_backward(self) -> None:
        """Hold the prototypes still at first: without a gradient the optimiser gathers no momentum either."""
        if self.holds_prototypes:
            self.prototypes.grad = None

    def _queues(self) -> list[Queue]:
        return [cast(Queue, queue) for queue in self.queues]

    def _earlier(self) -> list[Tensor] | None:
        queues = self._queues() if self.fills_queues else []
        return [queue.rows.clone() for queue in queues] or None  # The objective waits until they are full.
