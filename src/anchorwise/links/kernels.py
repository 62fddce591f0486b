"""Kernels of the distance between unit rows, d^2 = 2 - 2s: each rises with the score.

Source: Koromilas et al. 2024, "Bridging Mini-Batch and Asymptotic Analysis in Contrastive Learning: From InfoNCE to
Kernel-Based Losses", https://arxiv.org/abs/2405.18045.
"""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from anchorwise.links.base import Link, shortfall, squared_distance

# a = anchors


@final
@dataclass(frozen=True, eq=False)
class GaussianKernel(Link):
    """`exp(-t d^2)`."""

    t: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the kernel of every score."""
        return (-self.t * squared_distance(scores)).exp()


@final
@dataclass(frozen=True, eq=False)
class LogGaussianKernel(Link):
    """`-t d^2`: what is summed in log space where the Gaussian kernel is averaged inside a logarithm."""

    t: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the logarithm of the kernel."""
        return -self.t * squared_distance(scores)


@final
@dataclass(frozen=True, eq=False)
class LogKernel(Link):
    """`-log(1 + t d^2)`."""

    t: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the kernel of every score."""
        return -(self.t * squared_distance(scores)).log1p()


@final
@dataclass(frozen=True, eq=False)
class InverseMultiquadric(Link):
    """`c / sqrt(c^2 + d^2)`."""

    c: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the kernel of every score."""
        return (1.0 + squared_distance(scores) / self.c**2).rsqrt()


@final
@dataclass(frozen=True, eq=False)
class RieszKernel(Link):
    """`sign(s) d^-s`, singular at distance 0 for s > 0: there `MIN_SHORTFALL` acts."""

    s: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return the kernel of every score."""
        kernel = (2.0 * shortfall(scores)).pow(-0.5 * self.s)
        return kernel if self.s > 0 else -kernel


@final
@dataclass(frozen=True, eq=False)
class DistancePower(Link):
    """`-d^power`; below power 2 the slope is infinite at distance 0, and `MIN_SHORTFALL` acts there."""

    power: float

    def __call__(self, scores: Float[Tensor, "a ..."]) -> Float[Tensor, "a ..."]:
        """Return minus the distance to the power."""
        square = squared_distance(scores) if self.power >= 2.0 else 2.0 * shortfall(scores)
        return -square.pow(0.5 * self.power)
