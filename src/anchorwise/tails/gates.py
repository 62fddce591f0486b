"""Gates: from the tail of an anchor's negatives to how much of the shortfall link the anchor gets, in [0, 1]."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.tails.estimators import HillTail, RegressionTail, TailEstimator
from anchorwise.tails.likelihood import likelihood_delta_aic
from anchorwise.tails.negatives import Negatives

# a = anchors


@dataclass(frozen=True)
class GateReading:
    """What a gate says of a batch.

    Attributes:
        blend: Lambda, the share of the shortfall link, in [0, 1].
        stats: What it was made of, for logging.
    """

    blend: Float[Tensor, " a"]
    stats: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate(ABC):
    """Turns an anchor's tail into lambda; immutable and without state."""

    @abstractmethod
    def read(self, negatives: Negatives) -> GateReading:
        """Return every anchor's lambda, without gradient."""

    @property
    def tail(self) -> TailEstimator:
        """The tail from which an exponent is read beside this gate."""
        return HillTail()


@final
@dataclass(frozen=True)
class PublishedGate(Gate):
    """The gate of the WEINCE release: cap proximity times regression evidence.

    With rho the shortfall of an anchor's hardest negative and rho_0 its quantile over the batch,

        lambda = sigmoid(proximity_sharpness (log rho_0 - log rho)) * sigmoid(evidence_sharpness (dAIC - margin))

    The released dAIC compares residuals of two different responses; on independent scores it is near 170 whatever
    their law, so the second factor is 1 there. `LikelihoodGate` compares likelihoods instead.

    Args:
        margin: dAIC at which the evidence factor is one half.
        evidence_sharpness: Slope of the evidence factor, above 0.
        proximity_quantile: Quantile of rho over the batch that gives rho_0, in [0, 1].
        proximity_sharpness: Slope of the proximity factor in log rho, above 0.
        tail_fraction: Share of an anchor's negatives in its tail, in (0, 1].
        min_tail_points: Tail points at least.
        use: Both factors, or one of them alone.

    Source: Erol et al. 2026, https://arxiv.org/abs/2606.00262, and its released code.
    """

    margin: float = 2.0
    evidence_sharpness: float = 1.0
    proximity_quantile: float = 0.2
    proximity_sharpness: float = 10.0
    tail_fraction: float = 0.1
    min_tail_points: int = 32
    use: Literal["both", "evidence", "proximity"] = "both"

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _checks.number("margin", self.margin)
        _checks.positive("evidence_sharpness", self.evidence_sharpness)
        _checks.fraction("proximity_quantile", self.proximity_quantile)
        _checks.positive("proximity_sharpness", self.proximity_sharpness)
        _checks.one_of("use", self.use, ("both", "evidence", "proximity"))
        RegressionTail(self.tail_fraction, self.min_tail_points)

    @property
    def tail(self) -> RegressionTail:
        """The regression on the gate's own tail points."""
        return RegressionTail(self.tail_fraction, self.min_tail_points)

    @torch.no_grad()
    def read(self, negatives: Negatives) -> GateReading:
        """Return lambda with its two factors, the evidence (dAIC) and rho."""
        nearest, pivot, delta_aic = _published_evidence(negatives, self.tail, self.proximity_quantile)
        near = torch.sigmoid(self.proximity_sharpness * (pivot.log() - nearest.log()))
        evident = _sigmoid(delta_aic, self.margin, self.evidence_sharpness)
        blend = {"both": near * evident, "evidence": evident, "proximity": near}[self.use]
        factors = {"lambda_proximity": near, "lambda_evidence": evident}
        return GateReading(blend, {**factors, "evidence": delta_aic, "hardest_shortfall": nearest})


@final
@dataclass(frozen=True)
class HardGate(Gate):
    """The published gate's hard version: 1 where rho <= rho_0 and dAIC >= margin, otherwise 0.

    Args:
        margin: Least dAIC.
        proximity_quantile: Quantile of rho over the batch that gives rho_0, in [0, 1].
        tail_fraction: Share of an anchor's negatives in its tail, in (0, 1].
        min_tail_points: Tail points at least.

    Source: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262.
    """

    margin: float = 2.0
    proximity_quantile: float = 0.2
    tail_fraction: float = 0.1
    min_tail_points: int = 32

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _checks.number("margin", self.margin)
        _checks.fraction("proximity_quantile", self.proximity_quantile)
        RegressionTail(self.tail_fraction, self.min_tail_points)

    @property
    def tail(self) -> RegressionTail:
        """The regression on the gate's own tail points."""
        return RegressionTail(self.tail_fraction, self.min_tail_points)

    @torch.no_grad()
    def read(self, negatives: Negatives) -> GateReading:
        """Return lambda with the evidence (dAIC) and rho."""
        nearest, pivot, delta_aic = _published_evidence(negatives, self.tail, self.proximity_quantile)
        chosen = (nearest <= pivot) & (delta_aic >= self.margin)
        return GateReading(chosen.to(nearest.dtype), {"evidence": delta_aic, "hardest_shortfall": nearest})


@final
@dataclass(frozen=True)
class LikelihoodGate(Gate):
    """Opens where an anchor's exceedances are likelier under the shortfall law than under the exponential one.

        lambda = sigmoid(sharpness (dAIC - margin))

    dAIC is twice the difference of the log-likelihoods of the same exceedances (`tails.likelihood`). It needs sums over
    the exceedances alone, so no row is sorted.

    A tail of fewer than `min_tail_points` exceedances says nothing by itself: it is filled up to that number with the
    batch's mean exceedance, relative to the row's own threshold (`TailSums.completed`). Under exponential laws a
    filled-up row passes for bounded less often than a long row of its own, also where negatives move together
    (benchmarks/results/small-batches_2-core-epyc_2026-11-27.md). It takes a batch in which twice `min_tail_points`
    exceedances are to be expected, since most pairs of rows are there from both sides: with the defaults, 14 samples
    with two views. In smaller ones lambda is 0, the softmax loss is left, and one warning says so; a compiled graph
    cannot warn, but `stats["lambda"]` shows it.

    Args:
        margin: dAIC at which lambda is one half.
        sharpness: Slope in dAIC, above 0.
        tail_fraction: Share of a row that a normal law would put above the threshold, in (0, 0.5].
        min_tail_points: Exceedances from which a row is judged by its own alone.
    """

    margin: float = 2.0
    sharpness: float = 1.0
    tail_fraction: float = 0.1
    min_tail_points: int = 32

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _checks.number("margin", self.margin)
        _checks.positive("sharpness", self.sharpness)
        _checks.count("min_tail_points", self.min_tail_points)
        HillTail(self.tail_fraction)

    @property
    def tail(self) -> HillTail:
        """Hill's estimator on the gate's own exceedances."""
        return HillTail(self.tail_fraction)

    @torch.no_grad()
    def read(self, negatives: Negatives) -> GateReading:
        """Return lambda with the evidence (dAIC), the number of exceedances and rho."""
        tail = negatives.exceedances(self.tail_fraction)
        if self._may_lend(len(negatives.anchors), negatives.most_negatives):
            longer = tail.completed(self.min_tail_points)
        else:
            longer = tail
        delta_aic = likelihood_delta_aic(longer)
        evident = _sigmoid(delta_aic, self.margin, self.sharpness)
        too_short = longer.count < self.min_tail_points - 0.5  # What a row was lent makes it whole up to rounding.
        stats = {"lambda_evidence": evident, "evidence": delta_aic, "tail_points": tail.count}
        blend = evident.masked_fill(too_short, 0.0)
        return GateReading(blend, {**stats, "hardest_shortfall": tail.hardest_shortfall})

    def _may_lend(self, num_anchors: int, num_negatives: int) -> bool:
        """Return whether a batch of this shape can fill up short tails; where lambda is then 0, warn once."""
        needed, found = 2 * self.min_tail_points / self.tail_fraction, num_anchors * num_negatives
        long_rows = self.tail_fraction * num_negatives >= self.min_tail_points
        if found < needed and not (long_rows or torch.compiler.is_compiling() or self in _WARNED):
            _WARNED.add(self)
            warnings.warn(
                f"lambda is 0 in a batch of {found} pairs of an anchor and a negative, which leaves the softmax loss: "
                f"{self} needs {math.ceil(needed)} of them, which two views of {_num_samples(needed)} samples have; "
                "take larger batches or more negatives, or fix lambda with anchorwise.ConstantGate",
                stacklevel=2,
            )
        return found >= needed


def _num_samples(num_pairs: float) -> int:
    """Return how many samples with two views have so many pairs: 2n (2n - 2)."""
    return math.ceil((1.0 + math.sqrt(1.0 + num_pairs)) / 2.0)


# The gates that have warned in this process.
_WARNED: set[LikelihoodGate] = set()


@final
@dataclass(frozen=True)
class CapGate(Gate):
    """Opens where the hardest negative is nearer to the cap than a fixed shortfall.

        lambda = sigmoid(sharpness (log distance - log rho))

    Args:
        distance: Shortfall at which lambda is one half, above 0.
        sharpness: Slope in log shortfall, above 0.

    Source: released code of Erol et al. 2026 (its policy "gate"), https://arxiv.org/abs/2606.00262.
    """

    distance: float = 0.05
    sharpness: float = 5.0

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _checks.positive("distance", self.distance)
        _checks.positive("sharpness", self.sharpness)

    @torch.no_grad()
    def read(self, negatives: Negatives) -> GateReading:
        """Return lambda with rho."""
        nearest = negatives.hardest_shortfall
        distance = nearest.new_full((), self.distance)
        return GateReading(
            torch.sigmoid(self.sharpness * (distance.log() - nearest.log())), {"hardest_shortfall": nearest}
        )


@final
@dataclass(frozen=True)
class ConstantGate(Gate):
    """The same lambda for every anchor: 0 is InfoNCE, 1 the pure shortfall link.

    Args:
        value: Lambda, in [0, 1].
    """

    value: float

    def __post_init__(self) -> None:
        _checks.plain_numbers(self)
        _checks.fraction("value", self.value)

    def read(self, negatives: Negatives) -> GateReading:
        """Return `value` for every anchor."""
        return GateReading(torch.full_like(negatives.anchors[:, 0], self.value))


def _sigmoid(evidence: Float[Tensor, " a"], margin: float, sharpness: float) -> Float[Tensor, " a"]:
    # `sharpness * (evidence - margin)` in one operation.
    return torch.rsub(evidence, -sharpness * margin, alpha=-sharpness).sigmoid_()


def _published_evidence(
    negatives: Negatives, tail: RegressionTail, quantile: float
) -> tuple[Float[Tensor, " a"], Float[Tensor, ""], Float[Tensor, " a"]]:
    """Return rho of every anchor, rho_0 of the batch, and dAIC of every anchor."""
    if negatives.most_negatives == 0:
        nearest = negatives.hardest_shortfall
        return nearest, nearest[0], torch.zeros_like(nearest)
    read = negatives.sorted_tail(tail.length)
    nearest, delta_aic = read.hardest_shortfall, read.fit.delta_aic
    rising = nearest.sort().values
    pivot = rising[round(quantile * (len(rising) - 1))]
    fitted = read.fit.enough
    if isinstance(fitted, bool):
        return nearest, pivot if fitted else nearest.median(), delta_aic
    return nearest, pivot.where(fitted.any(), nearest.median()), delta_aic
