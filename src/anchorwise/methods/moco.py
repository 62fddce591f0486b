"""MoCo: a query against the momentum encoder's key of its other view and a queue of earlier keys.

Source: He et al. 2019, "Momentum Contrast for Unsupervised Visual Representation Learning", Algorithm 1,
https://arxiv.org/abs/1911.05722 (v1); Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning",
https://arxiv.org/abs/2003.04297 (v2); the symmetric form: the CIFAR demonstration of the authors' code.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, averaged
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective
from anchorwise.objectives.parts.one_state import from_one_state


@final
class MoCo(Method):
    """One side is trained; the other follows as a moving average, and its keys of earlier batches are the negatives.

    The default is v2; v1 has a head of one layer and temperature 0.07. Each view goes through its network alone, so
    batch normalisation never sees query and key together. Deviation from the release: keys are not shuffled over ranks
    between the normalisation layers of several GPUs; with one rank, or `encoder.norm=group`, that changes nothing.
    """

    gives = Method.gives | {"queue", "queue_ids"}
    hands_over = frozenset({"queue"})
    # The temperature of v2; v1 has 0.07.
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "moco", "temperature": 0.2}

    class Config(MethodConfig):
        """Settings of MoCo.

        Attributes:
            momentum: Of the key encoder; the sources have 0.999, and 0.99 on CIFAR.
            num_queued: Keys in the queue; the sources have 65,536, and 4,096 on CIFAR. More than a fifth of the
                samples makes most negatives out of date.
            random_queue: Whether the queue starts as random directions, as in the release, instead of empty.
            symmetric: Whether both views are queries; the loss is then the sum of both, and all keys are queued.
        """

        name: Literal["moco"] = "moco"
        head: HeadConfig = HeadConfig(norm="none")
        momentum: float = Field(default=0.99, ge=0, le=1)
        num_queued: int = Field(default=4096, ge=1, le=10_000_000)
        random_queue: bool = True
        symmetric: bool = False

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.queue = Queue(config.num_queued, self.online.width, random=config.random_queue)
        self.momentum, self.symmetric = config.momentum, config.symmetric

    def check(self, outlook: Outlook) -> None:
        """Refuse a queue that does not hold a batch."""
        outlook.check_queue(len(self.queue.rows), rows_each=2 if self.symmetric else 1)

    def before_step(self, clock: Clock) -> None:
        """Let the key encoder follow, before it makes keys."""
        self.twin.follow(self.online, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss against the queue as it was, then put this batch's keys in."""
        directions = ((0, 1), (1, 0)) if self.symmetric else ((0, 1),)
        pairs = [(self.online(views[query]), self.twin(views[key])) for query, key in directions]
        queue = {"queue": self.queue.rows.clone(), "queue_ids": self.queue.ids.clone(), "ids": batch.excluded_ids}
        losses = from_one_state(
            self.objective, [partial(self.loss, query, key, batch=batch, **queue) for query, key in pairs]
        )
        outcome = averaged(losses, factor=len(losses))
        for _, key in pairs:
            self.queue.push(key, batch.excluded_ids)
        return Step(outcome, (pairs[0][0].detach(), pairs[0][1]))
