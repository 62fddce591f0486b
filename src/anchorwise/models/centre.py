"""The centre of rows: a moving average of their mean over all ranks.

Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", Eq. 4,
https://arxiv.org/abs/2104.14294.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise._ranks import mean_of_rows

# n = rows of this rank's batch, d = width


@final
class Centre(nn.Module):
    """What rows have in common, beginning at 0. Saved with the method that owns it.

    Args:
        width: Of a row.
        momentum: What is kept of it at a step, in [0, 1].

    Attributes:
        value: The centre as it is now.
    """

    value: Tensor

    def __init__(self, width: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(width))

    @torch.no_grad()
    def follow(self, views: Sequence[Float[Tensor, "n d"]]) -> None:
        """Move towards the mean of the rows of all views and ranks; in evaluation mode stay.

        Read before you do: a loss is of the centre before its own batch.
        """
        if not self.training:
            return
        mean = mean_of_rows(torch.cat(list(views)).to(self.value))
        self.value.lerp_(mean, 1.0 - self.momentum)
