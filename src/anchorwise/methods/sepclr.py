"""SepCLR: two encoders, one for what all samples have in common and one for what only the target samples have.

Source: Louiset, Duchesnay, Grigis and Gori 2024, "Separating common from salient patterns with Contrastive
Representation Learning", https://arxiv.org/abs/2402.11928, and its released code.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from anchorwise.methods.base import Method, MethodConfig, Projected, Step, together
from anchorwise.methods.outlook import Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.objectives import Objective

_NO_LABELS = "SepCLR needs labels, which say what is background; these samples have none"


@final
class SepCLR(Method):
    """A salient and a common encoder, each with a head; samples of some classes are the background.

    Salient rows of the background are held at 0, so that what the background has too goes into the common rows. All
    views go through a network in one pass. Deviations from the release: its encoders end in a linear map to 32 numbers,
    which it judges, and its heads stand behind that; here heads stand behind the features, which are judged. Both
    encoders begin with the same weights. Its weights of 1,000 are for Adam, which no scale of a loss matters to.
    """

    background: Tensor
    gives = Method.gives | {"salients", "targets"}
    hands_over = frozenset({"salients", "targets"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "sep_clr"}

    class Config(MethodConfig):
        """Settings of SepCLR.

        Attributes:
            background: Numbers of the classes that have nothing salient; all other classes are targets.
            kept: Which encoder is kept and judged; the other one stands beside it.
        """

        name: Literal["sepclr"] = "sepclr"
        head: HeadConfig = HeadConfig(hidden_width=128, output_width=32)
        background: tuple[int, ...] = (0,)
        kept: Literal["salient", "common"] = "salient"

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.common = Projected(copy.deepcopy(encoder), config.head)
        self.register_buffer("background", torch.tensor(config.background, dtype=torch.int64), persistent=False)
        self.kept = config.kept

    @property
    def encoder(self) -> Encoder:
        """The salient or the common one, as configured."""
        return (self.online if self.kept == "salient" else self.common).encoder

    @property
    def beside(self) -> Mapping[str, Encoder]:
        """The other one."""
        return {"common": self.common.encoder} if self.kept == "salient" else {"salient": self.online.encoder}

    @property
    def needs_differing_views(self) -> bool:
        """No: labels say what is in the background."""
        return False

    def check(self, outlook: Outlook) -> None:
        """Refuse samples that are not of both kinds."""
        numbers = set(range(outlook.num_classes))
        if not numbers:
            raise ValueError(_NO_LABELS)
        if not numbers & set(self.background.tolist()) or numbers <= set(self.background.tolist()):
            raise ValueError(
                f"method.background must name some but not all of the {len(numbers)} classes of the samples, by number "
                f"from 0, got {self.background.tolist()}"
            )

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of common and salient rows of both views."""
        if batch.labels is None:
            raise ValueError(_NO_LABELS)
        commons, salients = together(self.common, views), together(self.online, views)
        targets = (batch.labels.unsqueeze(1) != self.background).all(dim=1)
        outcome = self.loss(*commons, batch=batch, salients=salients, targets=targets)
        return Step(outcome, (commons[0].detach(), commons[1].detach()))
