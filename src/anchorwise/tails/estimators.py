"""How an exponent is read off the tail of an anchor's negatives, and how far it is to be trusted."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.tails.likelihood import hill_exponent
from anchorwise.tails.negatives import Negatives
from anchorwise.tails.regression import TailRegressions
from anchorwise.tails.tail_length import TailLength
from anchorwise.tails.tail_sums import TailSums

# a = anchors


@dataclass(frozen=True)
class ExponentEstimate:
    """An exponent per anchor, and how much it was read off.

    Attributes:
        exponent: Above 0; not a number where there is no estimate.
        num_points: Tail points that speak for it.
    """

    exponent: Float[Tensor, " a"]
    num_points: Float[Tensor, " a"]

    @property
    def exists(self) -> Bool[Tensor, " a"]:
        """Whether a row has an estimate."""
        return ~self.exponent.isnan()

    @property
    def batch_median(self) -> Float[Tensor, " a"]:
        """The (lower) median of the rows that have an estimate, for every row; 1 where none has."""
        # The host would read from a GPU how many rows have none.
        on_cpu = self.exponent.device.type == "cpu"
        median = self.exponent.nanmedian() if on_cpu else sorted_median(self.exponent)
        return median.nan_to_num(nan=1.0).expand(len(self.exponent))

    def weight(self, prior_points: float) -> Float[Tensor, " a"]:
        """Return the share of its own points among those and the prior's, in [0, 1]; 0 where there is no estimate."""
        total = (self.num_points + prior_points).clamp_min(torch.finfo(self.num_points.dtype).tiny)
        return torch.where(self.exists, self.num_points / total, 0.0)


@dataclass(frozen=True)
class TailEstimator(ABC):
    """Reads an exponent off every anchor's tail."""

    @abstractmethod
    def estimate(self, negatives: Negatives) -> ExponentEstimate:
        """Return every anchor's own estimate."""

    @abstractmethod
    def shrink(self, estimate: ExponentEstimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
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
        tail_fraction_up_to(0.5, self.tail_fraction)
        _checks.at_least("prior_points", self.prior_points, 0.0)

    def estimate(self, negatives: Negatives) -> ExponentEstimate:
        """Return Hill's exponent of every row and the share of it that shrinkage keeps."""
        return self.estimate_of(negatives.exceedances(self.tail_fraction))

    def estimate_of(self, tail: TailSums) -> ExponentEstimate:
        """Return the estimates from what the rows' exceedances add up to."""
        return ExponentEstimate(hill_exponent(tail), tail.count)

    def shrink(self, estimate: ExponentEstimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Average 1 / exponent."""
        weight = estimate.weight(self.prior_points)
        return 1.0 / (weight / estimate.exponent.nan_to_num(nan=1.0) + (1.0 - weight) / towards)


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
        tail_fraction_up_to(1.0, self.tail_fraction)
        _checks.count("min_tail_points", self.min_tail_points)
        _checks.one_of("rounding", self.rounding, ("nearest", "down"))
        _checks.at_least("prior_points", self.prior_points, 0.0)
        _checks.fraction("min_r_squared", self.min_r_squared)
        _checks.ordered("lowest", self.lowest, "highest", self.highest)

    @property
    def length(self) -> TailLength:
        """How many of a row's smallest shortfalls make the tail."""
        return TailLength(self.tail_fraction, self.min_tail_points, self.rounding)

    def estimate(self, negatives: Negatives) -> ExponentEstimate:
        """Return the slope of every row and the share of it that shrinkage keeps."""
        if self.length.of(negatives.most_negatives) == 0:
            nothing = torch.zeros_like(negatives.anchors[:, 0])
            return ExponentEstimate(nothing / nothing, nothing)
        return self.estimate_of(negatives.sorted_tail(self.length).fit)

    def estimate_of(self, fit: TailRegressions) -> ExponentEstimate:
        """Return the estimates from the rows' regressions."""
        trusted = (fit.r_squared >= self.min_r_squared) & (fit.slope > 0)
        return ExponentEstimate(torch.where(trusted, fit.slope, torch.nan), fit.num_points * fit.r_squared)

    def shrink(self, estimate: ExponentEstimate, towards: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        """Average the exponents themselves, as released."""
        weight = estimate.weight(self.prior_points)
        mixed = weight * estimate.exponent.nan_to_num(nan=1.0) + (1.0 - weight) * towards
        return mixed.clamp(self.lowest, self.highest)


def sorted_median(values: Float[Tensor, " a"]) -> Float[Tensor, " 1"]:
    """Return what `nanmedian` does, the lower median of those that are numbers, and read nothing for it."""
    rising = values.sort().values  # What are no numbers come last.
    place = ((rising == rising).sum() - 1).div(2, rounding_mode="trunc")
    return rising.index_select(0, place.view(1))


def tail_fraction_up_to(highest: float, value: float) -> float:
    """Return a share of a row in (0, highest].

    Raises:
        ValueError: If it is out of range.
    """
    checked = _checks.positive("tail_fraction", value)
    if checked > highest:
        raise ValueError(f"tail_fraction must lie in (0, {highest:g}], got {value!r}")
    return checked
