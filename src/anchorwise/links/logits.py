"""Links that turn a cosine into the logit of a choice among keys."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise.links.base import Link, LogShortfall, Parameter, per_row, shortfall

# a = anchors


@final
@dataclass(frozen=True, eq=False)
class SoftmaxLink(Link):
    """`scale * s / temperature`: the logit of InfoNCE, right for scores without a ceiling (Gumbel noise).

    A learnt inverse temperature is a scale: nothing is divided by it, so that its gradient is finite at any scale.
    """

    temperature: Parameter
    scale: Parameter = 1.0

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `scale * s / temperature`."""
        return _times(per_row(self.scale, scores), scores) / per_row(self.temperature, scores)

    @property
    def log_shortfall(self) -> LogShortfall:
        """Slope `scale / temperature`, power 0."""
        return LogShortfall(self.scale / self.temperature)


@final
@dataclass(frozen=True, eq=False)
class ShortfallLink(Link):
    """`-exponent * log(endpoint - s)`: the weibit logit, right for scores that end at `endpoint` (Weibull law).

    Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262.
    """

    exponent: Float[Tensor, " a"]
    endpoint: float = 1.0

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `-exponent * log(endpoint - s)`."""
        return per_row(-self.exponent, scores) * shortfall(scores, self.endpoint).log()

    @property
    def log_shortfall(self) -> LogShortfall:
        """Slope 0, power `exponent`."""
        return LogShortfall(0.0, self.exponent, self.endpoint)


@final
@dataclass(frozen=True, eq=False)
class BlendLink(Link):
    """`(1 - blend) * scale * s / temperature - blend * exponent * log(endpoint - s)`: WEINCE's logit.

    Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262.
    """

    blend: Float[Tensor, " a"]
    temperature: Parameter
    exponent: Float[Tensor, " a"]
    endpoint: float = 1.0
    scale: Parameter = 1.0
    # What scores and logarithms are multiplied by, made once: a link is called for positives and for negatives.
    _slope: Float[Tensor, " a"] = field(init=False, repr=False)
    _power: Float[Tensor, " a"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_slope", _times(self.scale, 1.0 - self.blend) / self.temperature)
        object.__setattr__(self, "_power", self.blend * self.exponent)

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the blended logits."""
        softmax, power = per_row(self._slope, scores) * scores, per_row(self._power, scores)
        return torch.addcmul(softmax, power, shortfall(scores, self.endpoint).log(), value=-1.0)

    @property
    def log_shortfall(self) -> LogShortfall:
        """Slope `(1 - blend) * scale / temperature`, power `blend * exponent`."""
        return LogShortfall(self._slope, self._power, self.endpoint)


@final
@dataclass(frozen=True, eq=False)
class ArctanhLink(Link):
    """`2 arctanh(s) = log((1 + s) / (1 - s))`: the log-odds of the probability (1 + s) / 2, without a temperature.

    Source: Kim and Kim 2025, "Temperature-Free Loss Function for Contrastive Learning",
    https://arxiv.org/abs/2501.17683.
    """

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `log(1 + s) - log(1 - s)`."""
        return shortfall(-scores).log() - shortfall(scores).log()


@final
@dataclass(frozen=True, eq=False)
class SigmoidLink(Link):
    """`-log sigmoid(-(scale s + bias))`: the loss of one negative pair, judged by itself.

    Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", https://arxiv.org/abs/2303.15343.
    """

    scale: Parameter
    bias: Parameter

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `log(1 + exp(scale s + bias))`."""
        return functional.softplus(per_row(self.scale, scores) * scores + per_row(self.bias, scores))


def _times(factor: Parameter, values: Tensor) -> Tensor:
    """Return the product, without a pass over the values for the number 1."""
    return values if isinstance(factor, float) and factor == 1.0 else factor * values
