"""DCD: a teacher says which keys are hard, and how alike they are; what it is sure of counts more.

Source: the abstract of "Dynamic Contrastive Distillation for Image-Text Retrieval", 2022,
https://arxiv.org/abs/2207.01426: a large teacher, contrast and distillation on hard negatives, samples weighted by
uncertainty. Nothing else is public; the loss here is a reconstruction and ours. Its teacher reads image and text
together; here it is another pair of towers, or the average of the student itself.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._precision import products
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, together, with_term
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.outlook import Clock
from anchorwise.methods.teacher import Teacher
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewMaker
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.objective import mean_outcome
from anchorwise.pairs import unit_rows

# n = pairs of all ranks, d = width of the student's rows, t = of the teacher's

_NOWHERE = -1e9  # A logit whose share is 0, and which is finite.


@final
class DCD(Method):
    """Any objective of two views, and beside it what a teacher finds of the own key and of those it finds hardest.

        loss = contrast + distillation * mean of (1 - H(p) / log(k + 1)) KL(p || q)

    p and q are the softmax of the teacher's and of the student's logits over an anchor's own key and the k others with
    the highest logits of the teacher, in both directions. A teacher that knows nothing weighs nothing.
    """

    gives = Method.gives | {"logit_scale", "logit_bias"}
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "clip"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of DCD.

        Attributes:
            teacher: Folder of a finished run on images with texts, by the same tokenizer; the student's own moving
                average if left out.
            momentum: Of that average.
            num_hardest: k, the other keys that the teacher is asked about.
            distillation: Weight of what it finds.
            max_scale: What the learnt scale is at most.
        """

        name: Literal["dcd"] = "dcd"
        head: HeadConfig = HeadConfig(num_layers=0)
        teacher: Path | None = None
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_hardest: int = Field(default=32, ge=1, le=10_000_000)
        distillation: float = Field(default=1.0, ge=0, le=1e6)
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.teacher = Teacher(config.teacher, self.online, momentum=config.momentum)
        self.scale = learnt_scale(objective, most=config.max_scale)
        self.num_hardest, self.distillation = config.num_hardest, config.distillation

    def meet(self, views: ViewMaker) -> None:
        """Look whether the teacher knows such tokens.

        Raises:
            ValueError: If it has another tokenizer.
        """
        self.teacher.meet(views, "method.teacher", "images with texts")

    def before_step(self, clock: Clock) -> None:
        """Let the average follow, where it is the teacher."""
        self.teacher.follow(self.online)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the contrast with what is distilled."""
        rows, taught = together(self.online, views), together(self.teacher, views)
        given = scale_of(self.scale)
        outcome = self.loss(*rows, batch=batch, **given)
        scale = given.get("logit_scale", 1.0 / getattr(self.objective, "temperature", 0.07))
        students, teachers = (tuple(map(gather_rows, side)) for side in (rows, taught))
        ids = gather_rows(batch.excluded_ids)
        term = distilled(
            cast(Any, students), cast(Any, teachers), ids, scale=scale, num_hardest=min(self.num_hardest, len(ids) - 1)
        )
        return Step(with_term(outcome, term, weight=self.distillation), (rows[0].detach(), rows[1].detach()))

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()


def distilled(
    students: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]],
    teachers: tuple[Float[Tensor, "n t"], Float[Tensor, "n t"]],
    ids: Int64[Tensor, " n"],
    *,
    scale: float | Tensor,
    num_hardest: int,
) -> Outcome:
    """Return the weighted divergence of every pair, mean of both directions.

    Args:
        students: Rows of both modalities.
        teachers: Likewise; they get no gradient.
        ids: Pairs of one id are no keys of each other.
        scale: Multiplies every cosine, of both.
        num_hardest: Other keys of an anchor, below the number of pairs.
    """
    found, wanted = (_cosines(pair).float() for pair in (students, teachers))
    own = torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    is_left_out = (ids.unsqueeze(0) == ids.unsqueeze(1)) & ~own
    losses, weights = [], []
    for student, teacher in ((found, wanted), (found.T, wanted.T)):
        logits = (teacher.detach() * scale).detach().masked_fill(is_left_out, _NOWHERE)
        chosen = logits.masked_fill(own, torch.inf).topk(num_hardest + 1, dim=1).indices
        target = logits.gather(1, chosen).log_softmax(dim=1)
        guess = (student * scale).masked_fill(is_left_out, _NOWHERE).gather(1, chosen).log_softmax(dim=1)
        shares = target.exp()
        certainty = 1.0 + (shares * target).sum(dim=1) / max(math.log(num_hardest + 1), 1e-12)
        losses.append(certainty * (shares * (target - guess)).sum(dim=1))
        weights.append(certainty)
    return mean_outcome(torch.stack(losses).mean(dim=0), {"certainty": torch.stack(weights).mean(dim=0)})


def _cosines(pair: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]) -> Float[Tensor, "n n"]:
    return products(unit_rows(pair[0]), unit_rows(pair[1]))
