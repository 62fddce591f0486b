"""DINO: a student that sees crops predicts over prototypes what its own moving average makes of the large ones.

Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", Algorithm 1,
https://arxiv.org/abs/2104.14294, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from anchorwise._config import Positive
from anchorwise.methods.base import Method, MethodConfig, Step, by_size, together
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig, PrototypeScores
from anchorwise.models.centre import Centre
from anchorwise.models.momentum import MomentumTwin, rising_momentum
from anchorwise.objectives import DINO as DINOObjective
from anchorwise.objectives import Objective


@final
class DINO(Method):
    """Encoder, head and prototypes of the student, and a copy of all three, which follows and sees large crops only.

    Crops of one size go through a network in one pass. Prototypes have length 1 wherever they are used, as in the
    released code with `norm_last_layer`. That code also clips every parameter's gradient to length 3 and raises the
    weight decay from 0.04 to 0.4; here `optimizer.max_grad_norm` clips all together, and the decay stays.
    """

    teacher_scale: Tensor
    gives = Method.gives | {"keys", "centre", "teacher_scale"}
    hands_over = frozenset({"keys", "centre"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "dino"}

    class Config(MethodConfig):
        """Settings of DINO.

        Attributes:
            num_prototypes: The source has 65,536 on ImageNet; solo-learn has 4,096 on CIFAR.
            num_small: Smaller crops beside the two large ones; the source has 8.
            momentum: Of the teacher at the start, from where it rises to 1 along half a cosine. 0.996 is for batches of
                1,024 and 0.9995 for 256, in 100 epochs of ImageNet; 500 steps want 0.95.
            centre_momentum: What the centre keeps of itself at a step.
            freeze_epochs: How long the prototypes stay as they are at first.
            warmup_epochs: How long the teacher's temperature takes to the objective's; 0 has it from the beginning.
            warmup_temperature: Where it begins then.
        """

        name: Literal["dino"] = "dino"
        head: HeadConfig = HeadConfig(hidden_width=2048, output_width=256, num_layers=3, norm="none", gelu=True)
        num_prototypes: int = Field(default=4096, ge=2, le=1_000_000)
        num_small: int = Field(default=0, ge=0, le=64)
        momentum: float = Field(default=0.996, ge=0, le=1)
        centre_momentum: float = Field(default=0.9, ge=0, le=1)
        freeze_epochs: float = Field(default=1.0, ge=0, le=1e6)
        warmup_epochs: float = Field(default=0.0, ge=0, le=1e6)
        warmup_temperature: Positive = 0.04

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        if config.warmup_epochs and not isinstance(objective, DINOObjective):
            raise ValueError(
                f"method.warmup_epochs must be 0 for objective {type(objective).__name__}, which has no "
                "teacher_temperature to warm up to"
            )
        self.config = config
        self.prototypes = PrototypeScores(config.num_prototypes, self.online.width)
        self.twin, self.prototype_twin = MomentumTwin(self.online), MomentumTwin(self.prototypes)
        self.centre = Centre(config.num_prototypes, config.centre_momentum)
        self.holds_prototypes = False
        self.register_buffer("teacher_scale", torch.ones(()), persistent=False)

    @property
    def plan(self) -> ViewPlan:
        """Two large crops, which the teacher sees too, and the small ones."""
        return ViewPlan(2, self.config.num_small)

    @property
    def num_rows(self) -> int:
        """One for every crop."""
        return self.plan.total

    def before_step(self, clock: Clock) -> None:
        """Set the teacher's temperature on its straight way to the objective's, and say whether prototypes move."""
        self.holds_prototypes = clock.epoch < self.config.freeze_epochs
        if self.config.warmup_epochs and isinstance(self.objective, DINOObjective):
            start, done = self.config.warmup_temperature, min(1.0, clock.epoch / self.config.warmup_epochs)
            self.teacher_scale.fill_(1.0 / (start + done * (self.objective.teacher_temperature - start)))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of all pairs of a teacher's and another crop, then let the centre follow the teacher."""
        rows = by_size(self.online, views, self.plan)
        keys = tuple(self.prototype_twin(row) for row in together(self.twin, views[:2]))
        warm = {"teacher_scale": self.teacher_scale} if self.config.warmup_epochs else {}
        scores = [self.prototypes(row) for row in rows]
        outcome = self.loss(*scores, batch=batch, keys=keys, centre=self.centre.value, **warm)
        self.centre.follow(keys)
        return Step(outcome, (rows[0].detach(), rows[1].detach()))

    def after_backward(self) -> None:
        """Hold the prototypes still at first: without a gradient the optimiser gathers no momentum either."""
        if self.holds_prototypes:
            self.prototypes.weight.grad = None

    def after_step(self, clock: Clock) -> None:
        """Let the teacher follow the new weights."""
        momentum = rising_momentum(self.config.momentum, clock.step, clock.num_steps)
        self.twin.follow(self.online, momentum)
        self.prototype_twin.follow(self.prototypes, momentum)
