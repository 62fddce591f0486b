"""GISTEmbed: pairs among whose negatives are none that a guide finds as alike as the pair itself.

Source: Solatorio 2024, "GISTEmbed: Guided In-sample Selection of Training Negatives for Text Embedding Fine-tuning",
https://arxiv.org/abs/2402.16829. There the guide is another, larger model, and reads with a tokenizer of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.outlook import Clock
from anchorwise.methods.teacher import Teacher
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewMaker
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective


@final
class GISTEmbed(Method):
    """Two views through the encoder, and through the guide, which says which other samples are negatives."""

    gives = Method.gives | {"guides"}
    hands_over = frozenset({"guides"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "gist_embed"}

    class Config(MethodConfig):
        """Settings of GISTEmbed.

        Attributes:
            guide: Folder of a finished run by the same tokenizer, as in the source, where it is another model; the
                encoder's own moving average if left out.
            momentum: Of that average.
        """

        name: Literal["gist_embed"] = "gist_embed"
        head: HeadConfig = HeadConfig(num_layers=0)
        guide: Path | None = None
        momentum: float = Field(default=0.99, ge=0, le=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.guide = Teacher(config.guide, self.online, momentum=config.momentum)

    def meet(self, views: ViewMaker) -> None:
        """Look whether the guide knows such tokens.

        Raises:
            ValueError: If it has another tokenizer.
        """
        self.guide.meet(views, "method.guide", "texts")

    def before_step(self, clock: Clock) -> None:
        """Let the average follow, where it is the guide."""
        self.guide.follow(self.online)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the pairs among what the guide leaves as negatives."""
        first, second = together(self.online, views)
        guides = together(self.guide, views)
        return Step(self.loss(first, second, batch=batch, guides=guides), (first.detach(), second.detach()))
