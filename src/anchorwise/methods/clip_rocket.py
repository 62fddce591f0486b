"""Improved baselines of CLIP: strong images and shortened texts beside the plain pair, with heads of their own.

Source: Fini et al. 2023, "Improved baselines for vision-language pre-training", section 3, released as clip-rocket,
https://arxiv.org/abs/2305.08675.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import nn

from anchorwise._config import Positive
from anchorwise.methods.base import Method, MethodConfig, Step, averaged, together, with_term
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig, ProjectionHead
from anchorwise.models.scale import LogitScale
from anchorwise.objectives import CLIP as CLIPObjective
from anchorwise.objectives import Objective


@final
class ClipRocket(Method):
    """A plain pair as in CLIP, and n strong images and n shortened texts, any of the one with any of the other.

        loss = (global + n local) / (1 + n)

    Local is the mean over all n^2 pairs of views of CLIP with smoothed labels. Its rows come from a head for each
    modality behind the shared space; the source has them beside the heads of the plain pair. What makes images strong
    and texts short are settings of the views: `views.local` and `views.word_dropout`. The self-supervised terms that
    the source adds in SiamLIP, BYOLIP, BarLIP and SwALIP are left out.
    """

    gives = Method.gives | {"logit_scale", "logit_bias"}
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "clip"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of the improved baselines.

        Attributes:
            num_local: Strong images and shortened texts of every pair; the source has 2. 0 is CLIP.
            local_head: What stands before the local loss, for each modality.
            label_smoothing: Of the local loss.
            local_temperature: Of the local loss before the first step.
            sums: Whether the loss is twice the mean, as the source's "sum" is.
            max_scale: What the learnt scales are at most.
        """

        name: Literal["clip_rocket"] = "clip_rocket"
        head: HeadConfig = HeadConfig(num_layers=0)
        num_local: int = Field(default=2, ge=0, le=30)
        local_head: HeadConfig = HeadConfig(hidden_width=4096, output_width=256)
        label_smoothing: float = Field(default=0.1, ge=0, le=1)
        local_temperature: Positive = 0.1
        sums: bool = False
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_local, self.factor = config.num_local, 2.0 if config.sums else 1.0
        self.scale = learnt_scale(objective, most=config.max_scale)
        self.local_heads, self.local_scale = nn.ModuleList(), None
        if config.num_local:
            heads = (ProjectionHead(config.local_head, num_features=encoder.num_features) for _ in range(2))
            self.local_heads.extend(heads)
            self.local_scale = LogitScale(1.0 / config.local_temperature, most=config.max_scale)
        self.local = CLIPObjective(label_smoothing=config.label_smoothing)

    @property
    def plan(self) -> ViewPlan:
        """Image and text in turns, the plain pair first."""
        return ViewPlan(2 * (1 + self.num_local))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the plain pair and of all local ones."""
        images, texts = (together(self.encoder, views[side::2]) for side in range(2))
        plain = self.loss(*map(self.online.head, (images[0], texts[0])), batch=batch, **scale_of(self.scale))
        step = (images[0].detach(), texts[0].detach())
        if self.local_scale is None:
            return Step(averaged([plain], factor=self.factor), step)
        strong, short = (
            head(torch.cat(rows[1:])).chunk(self.num_local)
            for head, rows in zip(self.local_heads, (images, texts), strict=True)
        )
        scale = self.local_scale()
        pairs = [
            self.local.detail(image, text, logit_scale=scale, ids=batch.shared_ids)
            for image in strong
            for text in short
        ]
        share = self.factor / (1 + self.num_local)
        return Step(with_term(averaged(pairs, factor=share * self.num_local), plain, weight=share), step)

    def after_step(self, clock: Clock) -> None:
        """Keep the scales in their range."""
        for scale in (self.scale, self.local_scale):
            if scale is not None:
                scale.hold()
