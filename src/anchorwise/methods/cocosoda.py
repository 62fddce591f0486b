"""CoCoSoDa: code and what it says it does, with softened copies of both and four queues.

Source: Shi et al. 2023, "CoCoSoDa: Effective Contrastive Learning for Code Search", section 3,
https://arxiv.org/abs/2204.03293, and its released code.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, cast, final

import torch
from pydantic import Field
from torch import Tensor, nn

from anchorwise.methods.base import Method, MethodConfig, Step, averaged, together
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import SOFTENINGS, Softening, ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.parts.one_state import from_one_state

# What asks among what: numbers of the two sides, then of their softened copies.
_ACROSS = ((0, 1), (0, 3), (1, 0), (1, 2))
_WITHIN = ((0, 2), (1, 3))


@final
class CoCoSoDa(Method):
    """One encoder for both sides; each asks among the other side's rows and its softened ones, with a queue of either.

    The softened rows are those of a copy that follows the encoder, and get no gradient; the others have one on both
    sides. Queues hold rows of earlier batches, those of the encoder for plain and those of the copy for softened texts.
    The loss is the mean of four terms. What differs from the release: a softening is drawn for each text instead of
    taking turns by step, token types are told by their letters instead of a parser, the copy is one for both sides
    (the release's two are always equal), and a temperature is what the objective says: there the logits of 0.07 are
    multiplied by another 20 in training, so it is 0.0035.

    The source begins with a model of code and has a rate of 2e-5. From random weights at 1e-3 all rows drew together
    (docs/text.md): begin with a trained encoder and a small rate.
    """

    gives = Method.gives | {"queue", "queue_ids"}
    hands_over = frozenset({"queue"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.07, "both_directions": False}

    class Config(MethodConfig):
        """Settings of CoCoSoDa.

        Attributes:
            momentum: Of the copy.
            num_queued: Rows in each of the four queues.
            random_queue: Whether queues start as random directions, as in the release, instead of empty.
            inner_terms: Whether each side also asks among its own softened rows, which makes six terms; the release
                can, and its script does not.
            softenings: What may happen to a text, one drawn for each.
            soft_share: Share of the tokens that it happens to, of those it can happen to.
        """

        name: Literal["cocosoda"] = "cocosoda"
        head: HeadConfig = HeadConfig(num_layers=0)
        momentum: float = Field(default=0.999, ge=0, le=1)
        num_queued: int = Field(default=1024, ge=1, le=10_000_000)
        random_queue: bool = False
        inner_terms: bool = False
        softenings: tuple[Softening, ...] = Field(default=SOFTENINGS, min_length=1)
        soft_share: float = Field(default=0.1, gt=0, le=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        slots, width = config.num_queued, self.online.width
        self.queues = nn.ModuleList(Queue(slots, width, random=config.random_queue) for _ in range(4))
        self.config, self.momentum = config, config.momentum
        self.terms = (*_ACROSS, *(_WITHIN if config.inner_terms else ()))

    @property
    def plan(self) -> ViewPlan:
        """Two views, and both once more, softened."""
        return ViewPlan(softenings=self.config.softenings, soft_share=self.config.soft_share)

    @property
    def _held(self) -> list[Queue]:
        return cast("list[Queue]", list(self.queues))

    def before_step(self, clock: Clock) -> None:
        """Let the copy follow, before it makes keys."""
        self.twin.follow(self.online, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss against the queues as they were, then put this batch's rows in."""
        plain = together(self.online, views[:2])
        with torch.no_grad():
            rows = (*plain, *together(self.twin, views[2:]))
        calls = [partial(self._term, rows, query, key, batch) for query, key in self.terms]
        outcome = averaged(from_one_state(self.objective, calls))
        for queue, key in zip(self._held, rows, strict=True):
            queue.push(key.detach(), batch.excluded_ids)
        return Step(outcome, (plain[0].detach(), plain[1].detach()))

    def _term(self, rows: Sequence[Tensor], query: int, key: int, batch: Batch) -> Outcome:
        queue = self._held[key]
        held = {"queue": queue.rows.clone(), "queue_ids": queue.ids.clone(), "ids": batch.excluded_ids}
        return self.loss(rows[query], rows[key], batch=batch, **held)
