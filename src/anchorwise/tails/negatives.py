"""The negatives of a batch as its tail statistics see them: detached, read through the engine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import engine
from anchorwise.links import Moment, shortfall
from anchorwise.pairs import Contrast, views_of
from anchorwise.tails.regression import TailRegressions, num_points, tail_regressions, uneven_tail_regressions
from anchorwise.tails.tail_length import TailLength
from anchorwise.tails.tail_sums import TailSums

# a = anchors, k = keys, d = embedding width, e = excluded keys per anchor, t = tail points, s = statistics

Statistic = TypeVar("Statistic")


@dataclass(frozen=True)
class SortedTail:
    """What a row's smallest shortfalls say.

    Attributes:
        fit: The release's regressions on them.
        hardest_shortfall: The smallest.
    """

    fit: TailRegressions
    hardest_shortfall: Float[Tensor, " a"]


@dataclass(frozen=True, eq=False)
class Negatives:
    """The negatives of every anchor.

    Attributes:
        contrast: Anchors, keys, and the pairs that are no negatives.
        endpoint: Where scores end; shortfalls are measured from it.

    Statistics of whole rows are dear: each is read once and kept for the gate and the exponent that share it. None
    depends on what else was read.
    """

    contrast: Contrast
    endpoint: float = 1.0
    _read: dict[tuple[str, float | TailLength], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def anchors(self) -> Float[Tensor, "a d"]:
        """Unit rows, without gradient."""
        return self.contrast.anchors.detach()

    @property
    def keys(self) -> Float[Tensor, "k d"]:
        """Unit rows, without gradient."""
        return self.contrast.keys.detach()

    @property
    def most_negatives(self) -> int:
        """Negatives of each anchor; where their numbers differ, what the shapes say that they are at most.

        How long a tail may be has to be known before it is read, and nothing is read on the host for it.
        """
        return len(self.keys) - (self.contrast.num_excluded or 0)

    @property
    def are_even(self) -> bool:
        """Whether each anchor has `most_negatives`."""
        return self.contrast.num_excluded is not None

    @property
    def counts(self) -> Float[Tensor, " a"]:
        """Negatives of every anchor."""
        return self._once(("counts", 0.0), lambda: engine.sum_rows(self.contrast, Moment(0)))

    @property
    def hardest_shortfall(self) -> Float[Tensor, " a"]:
        """Shortfall of every anchor's hardest negative; that of an orthogonal one where an anchor has none."""
        if self.most_negatives == 0:
            return torch.ones_like(self.anchors[:, 0])

        def read() -> Float[Tensor, " a"]:
            return self._of_orthogonal_ones(shortfall(engine.tail_rows(self.contrast, 1).scores[:, 0], self.endpoint))

        return self._once(("hardest", 1), read)

    def _of_orthogonal_ones(self, hardest: Float[Tensor, " a"]) -> Float[Tensor, " a"]:
        return hardest if self.are_even else hardest.masked_fill(hardest == torch.inf, 1.0)

    def sorted_tail(self, length: TailLength) -> SortedTail:
        """Return what the smallest shortfalls of every row say; the tails themselves are not kept.

        The tail is as long as that of the anchor that has most negatives. An anchor that has fewer than that has a
        shorter one: all of them.
        """
        num_tail = length.of(self.most_negatives)
        longest = None if self.are_even else self._once(("longest", length), lambda: length.counted(self.counts.max()))

        def summary(scores: Float[Tensor, "a t"]) -> Float[Tensor, "a s"]:
            shortfalls = shortfall(scores, self.endpoint)
            fit = tail_regressions(shortfalls) if longest is None else uneven_tail_regressions(shortfalls, longest)
            points = [] if isinstance(fit.num_points, int) else [fit.num_points]
            return torch.stack([fit.slope, fit.r_squared, fit.delta_aic, shortfalls[:, 0], *points], dim=1)

        def read() -> SortedTail:
            found = engine.tail_summaries(self.contrast, num_tail, summary).unbind(dim=1)
            slope, r_squared, delta_aic, hardest, *points = found
            fit = TailRegressions(slope, r_squared, delta_aic, points[0] if points else num_points(num_tail))
            return SortedTail(fit, self._of_orthogonal_ones(hardest))

        return self._once(("sorted", length), read)

    def hardest(self, num_tail: int, *, among: int = 0) -> engine.Tail:
        """Return every row's `num_tail` largest scores with their keys, or all of its negatives' where it has fewer.

        Where anchors have different numbers of negatives, a row that has fewer ends in scores of minus infinity.

        Args:
            num_tail: Scores of every row.
            among: How many largest ones they are taken from, where more: which of two equal scores comes first depends
                on how many are looked for.
        """
        tail = engine.tail_rows(self.contrast, min(max(num_tail, among), self.most_negatives))
        return engine.Tail(tail.scores[:, :num_tail], tail.keys[:, :num_tail])

    def pooled_regressions(self, length: TailLength) -> TailRegressions:
        """Return what the smallest shortfalls of the whole batch say, as those of one row."""
        num_tail = length.of(len(self.anchors) * self.most_negatives)
        shortfalls = shortfall(engine.pooled_tail(self.contrast, num_tail), self.endpoint).unsqueeze(0)
        if self.are_even:
            return tail_regressions(shortfalls)
        return uneven_tail_regressions(shortfalls, length.counted(self.counts.double().sum()))

    def exceedances(self, tail_fraction: float) -> TailSums:
        """Return every row's tail: the scores above mean + z sd, where a normal law keeps `tail_fraction` of them."""

        def read() -> TailSums:
            mean, deviation = engine.moment_rows(self.contrast)
            threshold = torch.add(mean, deviation, alpha=_normal_quantile(1.0 - tail_fraction))
            sums = engine.exceedance_rows(self.contrast, threshold, self.endpoint)
            return TailSums.of(sums, threshold, self.endpoint)

        return self._once(("exceedances", tail_fraction), read)

    def _once(self, what: tuple[str, float | TailLength], read: Callable[[], Statistic]) -> Statistic:
        if what not in self._read:
            with torch.no_grad():
                self._read[what] = read()
        return self._read[what]


def _normal_quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


# What torch.compiler.assume_constant_result does, which would import the whole compiler, and Triton with it.
setattr(_normal_quantile, "_dynamo_marked_constant", True)  # noqa: B010  # pyright knows no attribute of a function.


def negatives_of(contrast: Contrast, *, endpoint: float = 1.0) -> Negatives:
    """Return the negatives of a contrast."""
    return Negatives(contrast, endpoint)


@torch.no_grad()
def hardest_shortfall(view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"]) -> Float[Tensor, " a"]:
    """Return, for each of the 2n anchors, 1 minus the cosine of its hardest negative; empty for a single sample.

    Raises:
        ValueError: If the views differ in shape, dtype or device, are not matrices, or are empty.
        TypeError: If a view is not floating.
    """
    negatives = negatives_of(views_of(view0, view1).pooled())
    return negatives.hardest_shortfall[: len(negatives.anchors) if negatives.most_negatives else 0]
