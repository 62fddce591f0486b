"""CLIP: an image and its caption, each by its own tower, and a scale of their cosines that is learnt.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", Fig. 3,
https://arxiv.org/abs/2103.00020.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.scale import LogitScale
from anchorwise.objectives import Objective


@final
class CLIP(Method):
    """Two views, and any objective of two views: SigLIP, FastCLIP, DCL, Weibit, those with WEINCE's logit, ...

    Where the objective takes a scale, it is learnt, from the objective's own temperature on, and so is SigLIP's bias;
    others keep the temperature that they have. What brings the towers together belongs to the encoder and is kept, so
    there is no head.
    """

    gives = Method.gives | {"logit_scale", "logit_bias"}
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "clip"}

    class Config(MethodConfig):
        """Settings of CLIP.

        Attributes:
            learn_scale: Whether the scale is learnt, where the objective takes one.
            max_scale: What it is at most; the source has 100.
        """

        name: Literal["clip"] = "clip"
        head: HeadConfig = HeadConfig(num_layers=0)
        learn_scale: bool = True
        max_scale: float = Field(default=100.0, ge=1e-3, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.scale = learnt_scale(objective, most=config.max_scale) if config.learn_scale else None

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of both views."""
        first, second = together(self.online, views)
        outcome = self.loss(first, second, batch=batch, **scale_of(self.scale))
        return Step(outcome, (first.detach(), second.detach()))

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()


def learnt_scale(objective: Objective, *, most: float, least: float = 0.0) -> LogitScale | None:
    """Return a scale that starts where an objective has its own; None for one that takes none."""
    if "logit_scale" not in objective.inputs.takes:
        return None
    settings: Any = objective
    start = settings.scale if hasattr(objective, "scale") else 1.0 / settings.temperature
    bias = settings.bias if "logit_bias" in objective.inputs.takes else None
    return LogitScale(min(max(start, least), most), most=most, least=least, bias=bias)


def scale_of(scale: LogitScale | None) -> dict[str, Any]:
    """Return what an objective is given of a scale."""
    if scale is None:
        return {}
    return {"logit_scale": scale()} | ({} if scale.bias is None else {"logit_bias": scale.bias})
