"""Exponents of the shortfall link: fixed, or read off the tails of the batch, without gradient.

The link's slope is exponent / (1 - s), where the softmax link's is 1 / temperature: an exponent read off the tail
is a temperature that nobody has to tune.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._described import Described
from anchorwise.tails.estimators import HillTail, TailEstimator, tail_fraction_up_to
from anchorwise.tails.negatives import Negatives
from anchorwise.tails.tail_length import TailLength

# a = anchors


class Exponent(Described, ABC):
    """Says which exponent each anchor's shortfall link has."""

    @abstractmethod
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the exponents, each above 0, without gradient."""

    def beside(self, tail: TailEstimator) -> "Exponent":
        """Return the exponent as it is beside a gate that reads `tail`: one without a tail of its own takes that."""
        return self


@final
class FixedExponent(Exponent):
    """The same exponent for all anchors and batches.

    Args:
        value: Above 0.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = _checks.positive("exponent", value)

    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return `value` for every anchor."""
        return torch.full_like(negatives.anchors[:, 0], self.value)


@final
class BatchExponent(Exponent):
    """The median over anchors of their tails' estimates, for all anchors; 1 for a batch without any estimate.

    Args:
        tail: How a tail is read; None takes the gate's own way, and Hill's estimator where there is no gate.
    """

    def __init__(self, tail: TailEstimator | None = None) -> None:
        super().__init__()
        self.tail = tail

    def beside(self, tail: TailEstimator) -> "BatchExponent":
        """Return the exponent with `tail` if it has none."""
        return self if self.tail is not None else BatchExponent(tail)

    @torch.no_grad()
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the median for every anchor."""
        return (self.tail or HillTail()).estimate(negatives).batch_median


@final
class AnchorExponent(Exponent):
    """Each anchor's own estimate, shrunk.

    Args:
        tail: How a tail is read and how far it is trusted; None as for `BatchExponent`.
        towards: What estimates are shrunk to; by default the batch's median of the same estimates.
    """

    def __init__(self, tail: TailEstimator | None = None, towards: Exponent | None = None) -> None:
        super().__init__()
        self.tail = tail
        self.towards = towards

    def beside(self, tail: TailEstimator) -> "AnchorExponent":
        """Return the exponent with `tail` wherever it has none."""
        return AnchorExponent(self.tail or tail, self.towards and self.towards.beside(tail))

    @torch.no_grad()
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the shrunk estimates."""
        tail = self.tail or HillTail()
        estimate = tail.estimate(negatives)
        towards = estimate.batch_median if self.towards is None else self.towards(negatives)
        return tail.shrink(estimate, towards)


@final
class LaggedExponent(Exponent):
    """The median over anchors of Hill's estimates in the batch before, so that no batch sets its own exponent.

    The first batch has its own median. The value is a saved buffer; it moves in training mode only, and a batch without
    any estimate leaves it as it is. It takes the passes over the scores that `BatchExponent` takes.

    Args:
        tail: How a tail is read.
    """

    previous: Tensor
    seen: Tensor

    def __init__(self, tail: HillTail | None = None) -> None:
        super().__init__()
        self.tail = HillTail() if tail is None else tail
        self.register_buffer("previous", torch.tensor(1.0))
        self.register_buffer("seen", torch.tensor(False))

    @torch.no_grad()
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the batch before's median for every anchor, and keep this one's for the next."""
        if self.training:
            _tensor_checks.no_second_pass(self, "the kept median")
        estimate = self.tail.estimate(negatives)
        median, found = estimate.batch_median, estimate.exists.any()
        value = torch.where(self.seen, self.previous.to(median), median)
        if self.training:
            self.previous.copy_(torch.where(found, median[0].to(self.previous), self.previous))
            self.seen.logical_or_(found)
        return value


@final
class PooledExponent(Exponent):
    """The WEINCE release's batch exponent: one regression on all anchors' smallest shortfalls, averaged over steps.

    A regression that explains too little leaves the average as it is. The average is a saved buffer and moves at every
    call, in evaluation too, as released.

    Args:
        initial: Where the average starts, above 0 (weib_beta).
        tail_fraction: Share of all negatives in the tail, in (0, 1] (tail_frac).
        min_tail_points: Tail points at least (min_tail_points).
        min_r_squared: Share of the variance that a regression must explain, in [0, 1] (r2_min).
        momentum: Weight of the average so far, in [0, 1] (beta_ema_momentum).
        lowest: A new estimate counts as at least this (beta_min).
        highest: A new estimate counts as at most this (beta_max).

    Source: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262.
    """

    average: Tensor

    def __init__(
        self,
        *,
        initial: float = 4.0,
        tail_fraction: float = 0.05,
        min_tail_points: int = 1024,
        min_r_squared: float = 0.85,
        momentum: float = 0.9,
        lowest: float = 0.5,
        highest: float = 16.0,
    ) -> None:
        super().__init__()
        self.tail_fraction = tail_fraction_up_to(1.0, tail_fraction)
        self.min_tail_points = _checks.count("min_tail_points", min_tail_points)
        self.min_r_squared = _checks.fraction("min_r_squared", min_r_squared)
        self.momentum = _checks.fraction("momentum", momentum)
        self.lowest, self.highest = _checks.ordered("lowest", lowest, "highest", highest)
        self.register_buffer("average", torch.tensor(_checks.positive("initial", initial)))

    @torch.no_grad()
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the average, moved by this batch, for every anchor."""
        _tensor_checks.no_second_pass(self, "the average")
        slope, r_squared = self.regression(negatives)
        trusted = (r_squared >= self.min_r_squared) & (slope > 0)
        average = self.average.to(slope)
        moved = self.momentum * average + (1.0 - self.momentum) * slope.clamp(self.lowest, self.highest)
        value = torch.where(trusted, moved, average)
        self.average.copy_(value)
        return value.expand(len(negatives.anchors))

    def regression(self, negatives: Negatives) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return slope and R^2 of this batch; both 0 where the batch is too small."""
        fit = negatives.pooled_regressions(TailLength(self.tail_fraction, self.min_tail_points, "down"))
        return fit.slope[0], fit.r_squared[0]
