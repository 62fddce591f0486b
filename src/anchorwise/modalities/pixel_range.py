"""Where the numbers of a view may lie, for whatever changes views by small steps, such as an attack."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


@final
class PixelRange(nn.Module):
    """The range [0, 1] of pixels, as it is in normalised views, and the length of 1 there.

    Args:
        mean: Subtracted from pixels, of a shape that broadcasts over views; 0 if left out.
        std: Divides them afterwards, likewise; 1 if left out.

    Attributes:
        low: What black is in a view.
        high: What white is.
        unit: How far white is from black.
    """

    low: Tensor
    high: Tensor
    unit: Tensor

    def __init__(self, mean: Tensor | None = None, std: Tensor | None = None) -> None:
        super().__init__()
        mean, std = torch.zeros(()) if mean is None else mean, torch.ones(()) if std is None else std
        for name, value in (("low", -mean / std), ("high", (1.0 - mean) / std), ("unit", 1.0 / std)):
            self.register_buffer(name, value, persistent=False)

    def ball(
        self, view: Float[Tensor, "n c h w"], radius: float
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
        """Return the lowest and the highest pixels that are at most `radius`, of [0, 1], away from those of a view."""
        reach = radius * self.unit
        return torch.maximum(view - reach, self.low), torch.minimum(view + reach, self.high)
