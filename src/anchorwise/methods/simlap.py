"""SimLAP: one view of every sample, and any two classes as a positive pair in the dimensions that a gate leaves open.

Source: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning", https://arxiv.org/abs/2410.18200, and the
authors' later training script with class labels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise._config import Count, Width
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.draws import Draws
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig, PredictorConfig
from anchorwise.models.heads import norm_of
from anchorwise.objectives import Objective

# b = samples of this rank's batch, d = embedding width

_WHOSE, _WHAT = 4000, 4001  # What partners are drawn for: numbers that no step of a view has.


@final
class ClassPairGate(nn.Module):
    """What a pair of classes leaves open of every dimension, in (0, 1); the same for both orders of the two.

    Args:
        num_classes: Classes, each with a learnt row.
        class_width: Of such a row.
        config: Of the two layers behind the mean of two rows.
        width: Dimensions that are gated.
    """

    def __init__(self, num_classes: int, class_width: int, config: PredictorConfig, *, width: int) -> None:
        super().__init__()
        self.classes = nn.Embedding(num_classes, class_width)
        hidden = config.hidden_width or class_width
        first = [nn.ReLU(), *norm_of(config.norm, class_width), nn.Linear(class_width, hidden)]
        self.layers = nn.Sequential(*first, nn.ReLU(), *norm_of(config.norm, hidden), nn.Linear(hidden, width))

    def forward(self, labels: Int64[Tensor, " b"], partners: Int64[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Return the gate of every pair."""
        return self.layers(0.5 * (self.classes(labels) + self.classes(partners))).sigmoid()


_NO_LABELS = "SimLAP needs labels: it pairs classes; these samples have none"


@final
class SimLAP(Method):
    """Rows of one view are anchors and keys; every sample's class is paired with that of another sample of the batch.

    A row of the class that it is paired with is a positive, so where a sample draws its own class its own row is one of
    them. Partners are a permutation of the batch's labels over all ranks.
    """

    turn: Tensor
    gives = Method.gives | {"partners", "gates"}
    hands_over = frozenset({"partners", "gates"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "sim_lap", "renormalise": True}

    class Config(MethodConfig):
        """Settings of SimLAP.

        Attributes:
            num_classes: Classes of the samples, or more.
            class_width: Of the learnt row of a class.
            gate: The two layers behind the mean of two classes' rows; only its `hidden_width` and `norm` count.
        """

        name: Literal["simlap"] = "simlap"
        head: HeadConfig = HeadConfig(hidden_width=2048, output_width=256, norm="none", output_norm="layer")
        num_classes: Count = 10
        class_width: Width = 512
        gate: PredictorConfig = PredictorConfig(hidden_width=1024)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_classes = config.num_classes
        self.gate = ClassPairGate(config.num_classes, config.class_width, config.gate, width=self.online.width)
        self.draws = Draws([0], [_WHOSE, _WHAT])
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64), persistent=False)

    @property
    def plan(self) -> ViewPlan:
        """One view."""
        return ViewPlan(1)

    def check(self, outlook: Outlook) -> None:
        """Refuse samples without labels, or of more classes than there are rows for."""
        if not outlook.num_classes:
            raise ValueError(_NO_LABELS)
        if outlook.num_classes > self.num_classes:
            raise ValueError(
                f"method.num_classes must be at least the {outlook.num_classes} classes of the samples, got "
                f"{self.num_classes}"
            )

    def before_step(self, clock: Clock) -> None:
        """Note the step, by which partners are drawn."""
        self.turn.fill_(clock.step)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of the rows among themselves."""
        if batch.labels is None:
            raise ValueError(_NO_LABELS)
        rows, labels = self.online(views[0]), batch.labels.long()
        partners = self._partners(batch.ids, labels)
        outcome = self.loss(rows, rows, batch=batch, partners=partners, gates=self.gate(labels, partners))
        return Step(outcome, (rows.detach(), rows.detach()))

    @torch.no_grad()
    def _partners(self, ids: Int64[Tensor, " b"], labels: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """Permute the labels of all ranks by the samples' numbers and the step, so that any ranks draw alike."""
        all_ids, all_labels = gather_rows(ids), gather_rows(labels)
        whose, what = self.draws(all_ids, self.turn)[:, 0].argsort(dim=1, stable=True)
        partner_of = torch.empty_like(all_labels)
        partner_of[whose] = all_labels[what]
        mine = (all_ids.unsqueeze(0) == ids.unsqueeze(1)).float().argmax(dim=1)
        return partner_of[mine]
