"""Links: how a cosine becomes a logit.

A link is increasing in the score and may have one parameter per anchor, which is what lets an objective treat every
anchor by its own tail. `1 - s` is guarded here and nowhere else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

# a = anchors, k = keys

# Below this shortfall two rows count as the same point: float32 cosines are good to about 1e-7, so a smaller shortfall
# is rounding. The WEINCE release uses the same floor. Float16 and bfloat16 never get here: rows are widened first.
MIN_SHORTFALL = 1e-6


def shortfall(scores: Float[Tensor, "*shape"], endpoint: float = 1.0) -> Float[Tensor, "*shape"]:
    """Return `endpoint - scores`, not below `MIN_SHORTFALL`; where the floor acts there is no gradient."""
    return (endpoint - scores).clamp_min(MIN_SHORTFALL)


def _per_row(parameter: Float[Tensor, " a"], scores: Tensor) -> Tensor:
    return parameter if scores.ndim == 1 else parameter.unsqueeze(1)


@dataclass(frozen=True)
class Link(ABC):
    """Turns scores into logits, row by row."""

    @abstractmethod
    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the logits of `scores`, one score or one row of scores per anchor."""


@final
@dataclass(frozen=True)
class SoftmaxLink(Link):
    """`s / temperature`: the logit of InfoNCE, right for scores without a ceiling (Gumbel noise)."""

    temperature: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `s / temperature`."""
        return scores / self.temperature


@final
@dataclass(frozen=True)
class ShortfallLink(Link):
    """`-exponent * log(endpoint - s)`: the weibit logit, right for scores that end at `endpoint` (Weibull law).

    Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262.
    """

    exponent: Float[Tensor, " a"]
    endpoint: float = 1.0

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return `-exponent * log(endpoint - s)`."""
        return -_per_row(self.exponent, scores) * shortfall(scores, self.endpoint).log()


@final
@dataclass(frozen=True)
class BlendLink(Link):
    """`(1 - blend) * s / temperature - blend * exponent * log(endpoint - s)`: WEINCE's logit, one blend per anchor.

    Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262.
    """

    blend: Float[Tensor, " a"]
    temperature: float
    exponent: Float[Tensor, " a"]
    endpoint: float = 1.0

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the blended logits."""
        softmax_slope = _per_row((1.0 - self.blend) / self.temperature, scores)
        weibit_slope = _per_row(self.blend * self.exponent, scores)
        return softmax_slope * scores - weibit_slope * shortfall(scores, self.endpoint).log()
