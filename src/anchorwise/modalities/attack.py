"""The attack by projected gradient steps: views changed within a ball, so that a loss rises.

Source: Madry et al. 2017, "Towards Deep Learning Models Resistant to Adversarial Attacks", Section 2.1,
https://arxiv.org/abs/1706.06083. With momentum: Dong et al. 2017, "Boosting Adversarial Attacks with Momentum", Eqs. 6
and 7, https://arxiv.org/abs/1710.06081 (MI-FGSM), which begins at the image itself.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from anchorwise._config import Count, Section
from anchorwise.modalities.pixel_range import PixelRange

# n = images, c = channels, h = height, w = width (pixels)

Pixel = Annotated[float, Field(ge=0, le=1)]


class AttackConfig(Section):
    """An attack within a ball around every image; lengths are on the scale where pixels lie in [0, 1].

    Attributes:
        radius: Of the ball: the most that a pixel changes. At 0 images stay as they are.
        step_size: How far a step moves every pixel.
        num_steps: Gradients taken.
        decay: Share of the earlier steps' direction that stays in a step's, which is the sum of the gradients, each
            divided by the sum of its absolute values in an image (MI-FGSM has 1). None follows each gradient alone.
    """

    radius: Pixel = 8 / 255
    step_size: Pixel = 2 / 255
    num_steps: Count = 5
    decay: float | None = Field(default=None, ge=0, le=1)


def attacked(
    view: Float[Tensor, "n c h w"],
    loss_of: Callable[[Tensor], Float[Tensor, ""]],
    config: AttackConfig,
    within: PixelRange,
    *,
    start: Float[Tensor, "n c h w"],
) -> Float[Tensor, "n c h w"]:
    """Return views whose loss is higher; each step goes along the signs of its direction, and back into the ball.

    Gradients are taken of the pixels alone: those of parameters are not computed, and what they have stays.

    Args:
        view: Normalised as `within` says.
        loss_of: The loss of such views.
        config: How far, and in which steps.
        within: Where the numbers of a view may lie.
        start: Where in the ball the attack begins, from -1 to 1.
    """
    low, high = within.ball(view, config.radius)
    reach = config.radius * within.unit
    changed = torch.clamp(view + start * reach, low, high).detach()
    direction = torch.zeros_like(changed)
    for _ in range(config.num_steps):
        changed.requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(loss_of(changed), changed)
        direction = gradient if config.decay is None else config.decay * direction + _of_unit_sum(gradient)
        changed = torch.clamp(changed.detach() + config.step_size * within.unit * direction.sign(), low, high)
    return changed


def _of_unit_sum(gradient: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return the gradient of every image divided by the sum of its absolute values; one that is 0 stays so."""
    length = gradient.abs().flatten(1).sum(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    return gradient / length.view(-1, 1, 1, 1)
