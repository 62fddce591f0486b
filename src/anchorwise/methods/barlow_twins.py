"""Barlow Twins: two views, one network, and a loss between the dimensions of their rows instead of between samples.

Source: Zbontar et al. 2021, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", Algorithm 1,
https://arxiv.org/abs/2103.03230, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig


@final
class BarlowTwins(Method):
    """Each view goes through the network alone; there are neither negatives nor a copy.

    The released code trains with LARS and two rates, 0.2 for weights and 0.0048 for biases and normalisation, for
    batches of 256; here all parameters have one rate.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {"name": "barlow_twins"}

    class Config(MethodConfig):
        """Settings of Barlow Twins: its head is as wide as its loss needs dimensions to tell apart."""

        name: Literal["barlow_twins"] = "barlow_twins"
        head: HeadConfig = HeadConfig(hidden_width=8192, output_width=8192, num_layers=3, bias=False)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the objective of both views."""
        rows = [self.online(view) for view in views]
        return Step(self.loss(*rows, batch=batch), (rows[0].detach(), rows[1].detach()))
