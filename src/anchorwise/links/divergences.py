"""The f-divergences of f-MICL: what a positive and what a negative pair contribute, as functions of u = G(x, y).

G is a Gaussian kernel, so log u is linear in the score and every function here takes log u: nothing is divided by a
small u.

Source: Lu et al. 2024, "f-MICL: Understanding and Generalizing InfoNCE-based Contrastive Learning",
https://arxiv.org/abs/2402.10150.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise import _checks
from anchorwise.links.base import Link, squared_distance

# a = anchors


@dataclass(frozen=True, eq=False)
class Divergence(ABC):
    """An f-divergence by its generator f."""

    @abstractmethod
    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""

    @abstractmethod
    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u)), with f* the convex conjugate."""


@final
@dataclass(frozen=True, eq=False)
class KullbackLeibler(Divergence):
    """f' = log u + 1, f* f' = u."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return log_u + 1.0

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return log_u.exp()


@final
@dataclass(frozen=True, eq=False)
class JensenShannon(Divergence):
    """f' = log 2 + log(u / (1 + u)), f* f' = -log 2 + log(1 + u)."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return math.log(2.0) + functional.logsigmoid(log_u)

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return functional.softplus(log_u) - math.log(2.0)


@final
@dataclass(frozen=True, eq=False)
class Pearson(Divergence):
    """f' = 2 (u - 1), f* f' = u^2 - 1."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return 2.0 * log_u.expm1()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return (2.0 * log_u).expm1()


@final
@dataclass(frozen=True, eq=False)
class SquaredHellinger(Divergence):
    """f' = 1 - u^(-1/2), f* f' = u^(1/2) - 1."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return -(-0.5 * log_u).expm1()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return (0.5 * log_u).expm1()


@final
@dataclass(frozen=True, eq=False)
class Tsallis(Divergence):
    """f' = order / (order - 1) u^(order - 1), f* f' = u^order.

    Attributes:
        order: Above 0 and not 1, which is Kullback-Leibler.
    """

    order: float = 2.0

    def __post_init__(self) -> None:
        if _checks.positive("order", self.order) == 1.0:
            raise ValueError("order must not be 1, got 1: the limit there is the Kullback-Leibler divergence, 'kl'")

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return self.order / (self.order - 1.0) * ((self.order - 1.0) * log_u).exp()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return (self.order * log_u).exp()


@final
@dataclass(frozen=True, eq=False)
class VinczeLeCam(Divergence):
    """f' = 1 - 4 / (u + 1)^2, f* f' = 3 - 8 / (u + 1) + 4 / (u + 1)^2."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return 1.0 - 4.0 * (-log_u).sigmoid().square()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        share = (-log_u).sigmoid()
        return 3.0 - 8.0 * share + 4.0 * share.square()


@final
@dataclass(frozen=True, eq=False)
class ReverseKullbackLeibler(Divergence):
    """f' = -1 / u, f* f' = log u - 1; the paper reports collapse."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return -(-log_u).exp()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return log_u - 1.0


@final
@dataclass(frozen=True, eq=False)
class Neyman(Divergence):
    """f' = 1 - u^-2, f* f' = 2 - 2 / u; the paper reports collapse."""

    def positive(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f'(u)."""
        return -(-2.0 * log_u).expm1()

    def negative(self, log_u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return f*(f'(u))."""
        return -2.0 * (-log_u).expm1()


@final
@dataclass(frozen=True, eq=False)
class NegativeTerm(Link):
    """`f*(f'(u))` of a score, with `log u = log_height - t d^2`."""

    divergence: Divergence
    t: float
    log_height: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return what negative pairs of these scores contribute."""
        return self.divergence.negative(self.log_height - self.t * squared_distance(scores))


@final
@dataclass(frozen=True, eq=False)
class PositiveTerm(Link):
    """`f'(u)` of a score, with `log u = log_height - t d^2`."""

    divergence: Divergence
    t: float
    log_height: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return what positive pairs of these scores contribute."""
        return self.divergence.positive(self.log_height - self.t * squared_distance(scores))


DivergenceName = Literal["kl", "js", "pearson", "squared_hellinger", "tsallis", "vincze_le_cam", "reverse_kl", "neyman"]
DIVERGENCES: Mapping[DivergenceName, type[Divergence]] = {
    "kl": KullbackLeibler,
    "js": JensenShannon,
    "pearson": Pearson,
    "squared_hellinger": SquaredHellinger,
    "tsallis": Tsallis,
    "vincze_le_cam": VinczeLeCam,
    "reverse_kl": ReverseKullbackLeibler,
    "neyman": Neyman,
}


def as_divergence(value: DivergenceName | Divergence) -> Divergence:
    """Return the divergence that `value` names, or itself.

    Raises:
        ValueError: If `value` is neither.
    """
    if isinstance(value, Divergence):
        return value
    return DIVERGENCES[_checks.one_of("divergence", value, DIVERGENCES)]()
