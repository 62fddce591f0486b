"""Astrea's stages of alignment: what brings the towers together first, then momentum contrast of the whole.

Source: the abstract of Astrea, 2025, https://arxiv.org/abs/2503.09445: visual experts that are pre-aligned with
language by contrast, one after the other, and momentum contrastive learning behind that. Nothing else is public; how
the stages are made here is ours. Its router and its residuals between experts are left out.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, final

from pydantic import Field
from torch.nn.modules.batchnorm import _BatchNorm

from anchorwise.methods.base import Method, MethodConfig, Step, averaged, together
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import CLIP as CLIPObjective
from anchorwise.objectives import Objective
from anchorwise.objectives.parts.one_state import from_one_state

_PROJECTION = "projection"  # In the names of what brings towers together.


@final
class Astrea(Method):
    """Two stages. In the first, CLIP trains what brings the towers together, and the towers stay as they are.

    In the second all is trained by MoCo across modalities: an image against its text's key and a queue of texts' keys,
    and the other way round; keys are the momentum encoder's, and the loss is the mean of both directions. Queues fill
    in the first stage already. An encoder has one image tower here, so one expert; several are several runs.
    """

    gives = Method.gives | {"queue", "queue_ids", "logit_scale"}
    hands_over = frozenset({"queue"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "moco"}

    class Config(MethodConfig):
        """Settings of the stages.

        Attributes:
            align_epochs: Epochs of the first stage.
            momentum: Of the key encoder.
            num_queued: Keys in each of the two queues.
            max_scale: What the learnt scale is at most.
        """

        name: Literal["astrea"] = "astrea"
        head: HeadConfig = HeadConfig(num_layers=0)
        align_epochs: float = Field(default=1.0, ge=0, le=1e6)
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_queued: int = Field(default=2048, ge=1, le=10_000_000)
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.image_queue, self.text_queue = (Queue(config.num_queued, self.online.width) for _ in range(2))
        self.scale, self.alignment = learnt_scale(objective, most=config.max_scale), CLIPObjective()
        self.align_epochs, self.momentum = config.align_epochs, config.momentum
        self.is_aligning = config.align_epochs > 0

    def check(self, outlook: Outlook) -> None:
        """Refuse a training that ends before the second stage begins, and queues that do not hold a batch.

        Raises:
            ValueError: If it does, or they do not.
        """
        outlook.check_queue(len(self.image_queue.rows))
        outlook.check_begins("method.align_epochs", self.align_epochs, "the momentum contrast would never begin")

    def before_step(self, clock: Clock) -> None:
        """Let the key encoder follow, and note the stage."""
        self.twin.follow(self.online, self.momentum)
        self.is_aligning = clock.epoch < self.align_epochs
        for name, part in self.encoder.named_modules():  # Towers that learn nothing keep their running statistics too.
            if isinstance(part, _BatchNorm) and _PROJECTION not in name:
                part.train(self.training and not (self.is_aligning and self.brings_together))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the stage, then put this batch's keys in the queues."""
        rows, keys = together(self.online, views), together(self.twin, views)
        scale, ids = scale_of(self.scale), batch.excluded_ids
        if self.is_aligning:
            outcome = self.alignment.detail(rows[0], rows[1], ids=ids, **scale)
        else:
            sides = ((rows[0], keys[1], self.text_queue), (rows[1], keys[0], self.image_queue))
            given = {"batch": batch, "ids": ids, **scale}
            calls = [
                partial(self.loss, query, key, queue=queue.rows.clone(), queue_ids=queue.ids.clone(), **given)
                for query, key, queue in sides
            ]
            outcome = averaged(from_one_state(self.objective, calls))
        self.image_queue.push(keys[0], ids)
        self.text_queue.push(keys[1], ids)
        return Step(outcome, (rows[0].detach(), rows[1].detach()))

    @property
    def brings_together(self) -> bool:
        """Whether there are projections beside the towers, which then learn alone in the first stage."""
        return any(_PROJECTION in name for name, _ in self.encoder.named_parameters())

    def after_backward(self) -> None:
        """Take the gradient from the towers in the first stage."""
        if self.is_aligning and self.brings_together:
            for name, weight in self.encoder.named_parameters():
                if _PROJECTION not in name:
                    weight.grad = None

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()
