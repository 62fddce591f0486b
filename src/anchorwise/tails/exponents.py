"""Exponents of the shortfall link: fixed, or read off the tails of the batch, without gradient.

The link's slope is exponent / (1 - s), where the softmax link's is 1 / temperature: an exponent read off the tail
is a temperature that nobody has to tune.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise import _checks
from anchorwise._described import Described
from anchorwise.engine import Watch
from anchorwise.tails.likelihood import hill_exponent
from anchorwise.tails.negatives import Exceedances, Negatives
from anchorwise.tails.regression import TailRegressions, tail_regressions

# a = anchors


@dataclass(frozen=True)
class Estimate:
    """An exponent per anchor, and how far to trust it.

    Attributes:
        exponent: Above 0; 1 where there is no estimate.
        weight: In [0, 1]; 0 where there is no estimate.
    """

    exponent: Float[Tensor, " a"]
    weight: Float[Tensor, " a"]

    @property
    def exists(self) -> Bool[Tensor, " a"]:
        """Whether a row has an estimate."""
        return self.weight > 0

    @property
    def batch_median(self) -> Float[Tensor, " a"]:
        """The (lower) median of the rows that have an estimate, for every row; 1 where none has."""
        known = torch.where(self.exists, self.exponent, torch.nan)
        return known.nanmedian().nan_to_num(nan=1.0).expand(len(known))


@dataclass(frozen=True)
class TailEstimator(ABC):
    """Reads an exponent off every anchor's tail."""

    @abstractmethod
    def estimate(self, negatives: Negatives) -> Estimate:
        """Return every anchor's own estimate."""

    @abstractmethod
    def shrink(self, estimate: Estimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Return the anchors' estimates, each drawn to `towards` as far as it is not to be trusted."""


@final
@dataclass(frozen=True)
class HillTail(TailEstimator):
    """Hill's estimator on the scores above mean + z sd of a row.

    Args:
        tail_fraction: Share of a row that a normal law would put above the threshold, in (0, 0.5].
        prior_points: Tail points' worth of the batch's exponent that shrinkage adds to a row, at least 0. With a
            gamma prior on the exponent the result is the posterior's: 1 / exponent is averaged, since its
            estimate, a mean of logarithms, is the unbiased one.

    Source: Hill 1975, "A simple general approach to inference about the tail of a distribution".
    """

    tail_fraction: float = 0.1
    prior_points: float = 32.0

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _tail_fraction(self.tail_fraction, highest=0.5)
        _checks.at_least("prior_points", self.prior_points, 0.0)

    def estimate(self, negatives: Negatives) -> Estimate:
        """Return Hill's exponent of every row and the share of it that shrinkage keeps."""
        return self.estimate_of(negatives.exceedances(self.tail_fraction))

    def estimate_of(self, tail: Exceedances) -> Estimate:
        """Return the estimates from what the rows' exceedances add up to."""
        exponent = hill_exponent(tail)
        weight = tail.count / (tail.count + self.prior_points).clamp_min(1.0)
        return Estimate(exponent.nan_to_num(nan=1.0), torch.where(exponent.isfinite(), weight, 0.0))

    def shrink(self, estimate: Estimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Average 1 / exponent."""
        return 1.0 / (estimate.weight / estimate.exponent + (1.0 - estimate.weight) / towards)


@final
@dataclass(frozen=True)
class RegressionTail(TailEstimator):
    """The WEINCE release's estimator: the slope of log F on log shortfall over a row's smallest shortfalls.

    Args:
        tail_fraction: Share of a row's negatives in the tail, in (0, 1].
        min_tail_points: Tail points at least.
        rounding: How the number of tail points is made whole: "nearest" as the release's gate does, with at least 10
            of them, or "down" as its shrunk weibit does, with no estimate from fewer than 10.
        prior_points: The release's shrink_c, at least 0: a row keeps m R^2 / (m R^2 + prior_points) of its own
            slope, with m points in the regression.
        min_r_squared: Rows whose regression explains less have no estimate. In [0, 1].
        lowest: Shrunk exponents are not below this.
        highest: Shrunk exponents are not above this.

    Source: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262.
    """

    tail_fraction: float = 0.1
    min_tail_points: int = 32
    rounding: Literal["nearest", "down"] = "nearest"
    prior_points: float = 100.0
    min_r_squared: float = 0.0
    lowest: float = 0.5
    highest: float = 16.0

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _tail_fraction(self.tail_fraction, highest=1.0)
        _checks.count("min_tail_points", self.min_tail_points)
        _checks.one_of("rounding", self.rounding, ("nearest", "down"))
        _checks.at_least("prior_points", self.prior_points, 0.0)
        _checks.fraction("min_r_squared", self.min_r_squared)
        _checks.ordered("lowest", self.lowest, "highest", self.highest)

    def num_tail(self, num_negatives: int) -> int:
        """Return how many of `num_negatives` shortfalls make the tail."""
        wanted = self.tail_fraction * num_negatives
        if self.rounding == "nearest":
            return min(max(self.min_tail_points, round(wanted), _FEWEST), num_negatives)
        num_tail = min(int(max(self.min_tail_points, wanted)), num_negatives)
        return num_tail if num_tail >= _FEWEST else 0

    def estimate(self, negatives: Negatives) -> Estimate:
        """Return the slope of every row and the share of it that shrinkage keeps."""
        num_tail = self.num_tail(negatives.num_negatives)
        if num_tail == 0:
            nothing = torch.zeros_like(negatives.anchors[:, 0])
            return Estimate(nothing + 1.0, nothing)
        return self.estimate_of(negatives.sorted_tail(num_tail).fit)

    def estimate_of(self, fit: TailRegressions) -> Estimate:
        """Return the estimates from the rows' regressions."""
        explained = fit.num_points * fit.r_squared
        weight = explained / (explained + self.prior_points).clamp_min(torch.finfo(explained.dtype).tiny)
        trusted = (fit.r_squared >= self.min_r_squared) & (fit.slope > 0)
        return Estimate(torch.where(trusted, fit.slope, 1.0), torch.where(trusted, weight, 0.0))

    def shrink(self, estimate: Estimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Average the exponents themselves, as released."""
        mixed = estimate.weight * estimate.exponent + (1.0 - estimate.weight) * towards
        return mixed.clamp(self.lowest, self.highest)


_FEWEST = 10


class Exponent(Described, ABC):
    """Says which exponent each anchor's shortfall link has."""

    @abstractmethod
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the exponents, each above 0, without gradient."""

    def beside(self, tail: TailEstimator) -> "Exponent":
        """Return the exponent as it is beside a gate that reads `tail`: one without a tail of its own takes that."""
        return self

    def watch(self, negatives: Negatives) -> Watch | None:
        """Return what the loss is to add up on its way for the exponents of the next batch; None for nothing."""
        return None

    def learn(self, negatives: Negatives, watch: Watch | None) -> None:
        """Take what the loss has added up."""


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
    """The median over anchors of Hill's estimates in the batch before: the loss is a single pass over the scores.

    This batch's exceedances are added up while the loss has its scores. The first batch takes a pass for its own
    median. The value is a saved buffer; it moves in training mode only. Whether there was a batch before is asked on
    the host, so `torch.compile(fullgraph=True)` refuses it; without, it compiles in two parts.

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
        """Return the batch before's median for every anchor."""
        if not bool(self.seen):
            return self.tail.estimate(negatives).batch_median
        return self.previous.to(negatives.anchors, copy=True).expand(len(negatives.anchors))

    @torch.no_grad()
    def watch(self, negatives: Negatives) -> Watch | None:
        """Return the exceedances of this batch, to be added up."""
        return negatives.watch(self.tail.tail_fraction) if self.training else None

    @torch.no_grad()
    def learn(self, negatives: Negatives, watch: Watch | None) -> None:
        """Keep this batch's median for the next; a batch without any estimate changes nothing."""
        if watch is not None:
            negatives.learn(self.tail.tail_fraction, watch)
            estimate = self.tail.estimate(negatives)
            found = estimate.exists.any()
            self.previous.copy_(torch.where(found, estimate.batch_median[0].to(self.previous), self.previous))
            self.seen.logical_or_(found)


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
        self.tail_fraction = _tail_fraction(tail_fraction, highest=1.0)
        self.min_tail_points = _checks.count("min_tail_points", min_tail_points)
        self.min_r_squared = _checks.fraction("min_r_squared", min_r_squared)
        self.momentum = _checks.fraction("momentum", momentum)
        self.lowest, self.highest = _checks.ordered("lowest", lowest, "highest", highest)
        self.register_buffer("average", torch.tensor(_checks.positive("initial", initial)))

    @torch.no_grad()
    def forward(self, negatives: Negatives) -> Float[Tensor, " a"]:
        """Return the average, moved by this batch, for every anchor."""
        slope, r_squared = self.regression(negatives)
        trusted = (r_squared >= self.min_r_squared) & (slope > 0)
        average = self.average.to(slope)
        moved = self.momentum * average + (1.0 - self.momentum) * slope.clamp(self.lowest, self.highest)
        value = torch.where(trusted, moved, average)
        self.average.copy_(value)
        return value.expand(len(negatives.anchors))

    def regression(self, negatives: Negatives) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return slope and R^2 of this batch; both 0 where the batch is too small."""
        num_all = len(negatives.anchors) * negatives.num_negatives
        num_tail = min(int(max(self.min_tail_points, self.tail_fraction * num_all)), num_all)
        fit = tail_regressions(negatives.pooled_shortfalls(num_tail if num_tail >= _FEWEST else 0).unsqueeze(0))
        return fit.slope[0], fit.r_squared[0]


def _tail_fraction(value: float, *, highest: float) -> float:
    checked = _checks.positive("tail_fraction", value)
    if checked > highest:
        raise ValueError(f"tail_fraction must lie in (0, {highest:g}], got {value!r}")
    return checked
