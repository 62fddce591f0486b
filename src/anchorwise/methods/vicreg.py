"""VICReg: two views that agree, in dimensions that vary and do not vary together.

Source: Bardes, Ponce and LeCun 2021, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning", Section 4, https://arxiv.org/abs/2105.04906, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig


@final
class VICReg(Method):
    """Each view goes through the network alone; there are neither negatives nor a copy."""

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "vicreg"}

    class Config(MethodConfig):
        """Settings of VICReg: its head, which the source calls an expander."""

        name: Literal["vicreg"] = "vicreg"
        head: HeadConfig = HeadConfig(hidden_width=8192, output_width=8192, num_layers=3, bias=False)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of both views."""
        rows = [self.online(view) for view in views]
        return Step(self.loss(*rows, batch=batch), (rows[0].detach(), rows[1].detach()))
