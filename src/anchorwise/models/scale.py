"""A scale of cosines that is learnt, and a bias beside it, as models of images and texts have them.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 2.5,
https://arxiv.org/abs/2103.00020; the bias: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section
3.2, https://arxiv.org/abs/2303.15343.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise import _checks


@final
class LogitScale(nn.Module):
    """What multiplies cosines, learnt as its logarithm.

    Args:
        start: What it is before the first step, above 0.
        most: What it is at most after every step.
        least: What it is at least.
        bias: What is added to every product before the first step; None for no bias.
    """

    log_scale: nn.Parameter

    def __init__(self, start: float, *, most: float = 100.0, least: float = 0.0, bias: float | None = None) -> None:
        super().__init__()
        self.most, self.least = _checks.positive("most", most), _checks.at_least("least", least, 0.0)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_checks.positive("start", start))))
        self.bias = None if bias is None else nn.Parameter(torch.tensor(_checks.number("bias", bias)))

    def forward(self) -> Float[Tensor, ""]:
        """Return the scale."""
        return self.log_scale.exp()

    @torch.no_grad()
    def hold(self) -> None:
        """Bring it back into its range, after an update."""
        self.log_scale.clamp_(math.log(self.least) if self.least else -math.inf, math.log(self.most))
