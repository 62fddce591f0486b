"""MSD: soft targets of a momentum encoder, whose rows of earlier parts of a batch are further negatives.

Source: the abstract of "Momentum Self-Distillation" for medical vision and language, WACV 2026,
https://arxiv.org/abs/2512.02438: an average of the model gives soft targets, and its rows of earlier steps of an
accumulation are negatives. Nothing else is public; how both come together here is a reconstruction and ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.objective import concat_stats


@final
class MSD(Method):
    """A batch in parts: each is contrasted with the average's rows of itself and of the parts before it.

    In one part this is the contrast of ALBEF without its queues. Were all other parts there as well, any number of
    parts would be: keys are the average's in any case, so only what comes first sees fewer of them. Memory is bounded
    by `train.micro_batch_size`, with the gradient of the whole batch.
    """

    gives = Method.gives | {"keys", "queues", "queue_ids", "logit_scale"}
    hands_over = frozenset({"keys", "queues"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "soft_targets"}

    class Config(MethodConfig):
        """Settings of MSD.

        Attributes:
            momentum: Of the average.
            num_parts: Parts of a batch.
            max_scale: What the learnt scale is at most.
        """

        name: Literal["msd"] = "msd"
        head: HeadConfig = HeadConfig(num_layers=0)
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_parts: int = Field(default=8, ge=1, le=10_000)
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.scale = learnt_scale(objective, most=config.max_scale)
        self.momentum, self.num_parts = config.momentum, config.num_parts

    def check(self, outlook: Outlook) -> None:
        """Refuse batches with fewer samples than parts.

        Raises:
            ValueError: If they have.
        """
        if outlook.batch_size < self.num_parts:
            raise ValueError(
                f"method.num_parts must be at most train.batch_size={outlook.batch_size}, got {self.num_parts}"
            )

    def before_step(self, clock: Clock) -> None:
        """Let the average follow, before it makes keys."""
        self.twin.follow(self.online, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of all parts."""
        rows, keys = together(self.online, views), together(self.twin, views)
        num_parts = min(self.num_parts, len(batch.ids))  # The last batch of an epoch may be short.
        ids = [None] * num_parts if batch.shared_ids is None else batch.shared_ids.tensor_split(num_parts)
        parts, earlier = [], dict[str, tuple[Tensor, Tensor]]()
        cut = zip(*(each.tensor_split(num_parts) for each in (*rows, *keys)), ids, strict=True)
        for first, second, first_key, second_key, of_part in cut:
            own, known = (first_key, second_key), {} if of_part is None else {"ids": of_part}
            parts.append(self.loss(first, second, batch=batch, keys=own, **earlier, **known, **scale_of(self.scale)))
            there = {"queues": tuple(map(gather_rows, own))}
            if of_part is not None:
                there["queue_ids"] = (gather_rows(of_part),) * 2
            earlier = {
                name: tuple(map(torch.cat, zip(earlier[name], new, strict=True))) if earlier else new
                for name, new in there.items()
            }
        return Step(_together(parts), (rows[0].detach(), rows[1].detach()))

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()


def _together(parts: Sequence[Outcome]) -> Outcome:
    """Return the mean over the anchors of all parts, of which some may have one more than others."""
    per_anchor = torch.cat([part.per_anchor for part in parts])
    loss = torch.stack([part.loss * len(part.per_anchor) for part in parts]).sum() / len(per_anchor)
    return Outcome(loss, per_anchor, concat_stats([part.stats for part in parts]))
