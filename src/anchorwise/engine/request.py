"""What is asked of the engine, one small class for each reduction, and what answers: any backend that supports it.

Where ranks share the rows, each of them asks for its own anchors alone, and their answers are put together: no backend
ever sees more than one process.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise._ranks import Ranks
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.sharding import gathered_rows, own_contrast, own_rows
from anchorwise.links import Link
from anchorwise.pairs import Contrast

# a = anchors, k = keys, e = width of values, t = tail points, s = statistics

Summary = Callable[[Float[Tensor, "a t"]], Float[Tensor, "a s"]]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Request(ABC, Generic[Result]):
    """A reduction of the scores of a contrast."""

    contrast: Contrast

    @abstractmethod
    def answered_by(self, backend: "Backend") -> Result:
        """Return the backend's answer."""

    def of_own_anchors(self, ranks: Ranks) -> "Request[Result]":
        """Return what this rank is to find out: the same of its own anchors."""
        return replace(self, contrast=self._of_own_anchors(ranks))

    @abstractmethod
    def of_all_anchors(self, own: Result, ranks: Ranks) -> Result:
        """Return the answer for all anchors, of which every rank has that of its own."""

    def _of_own_anchors(self, ranks: Ranks) -> Contrast:
        return replace(self.contrast, ranks=None).of_anchors(own_rows(self.contrast, ranks))

    def _gathered(self, own: Tensor, ranks: Ranks) -> Tensor:
        return gathered_rows(own, len(self.contrast.anchors), ranks)


@dataclass(frozen=True, eq=False)
class _PerAnchor(Request[Tensor]):
    """A request whose answer is a tensor with a row for each anchor."""

    def of_all_anchors(self, own: Tensor, ranks: Ranks) -> Tensor:
        """Return all anchors' rows."""
        return self._gathered(own, ranks)


@dataclass(frozen=True, eq=False)
class _OfLink(_PerAnchor):
    """A request whose scores go through a link."""

    link: Link

    def of_own_anchors(self, ranks: Ranks) -> "Request[Tensor]":
        """Return the request with the own anchors' link."""
        contrast, link = own_contrast(self.contrast, self.link, ranks)
        return replace(self, contrast=contrast, link=link)


@dataclass(frozen=True, eq=False)
class LogSumExp(_OfLink):
    """`logsumexp_rows`."""

    def answered_by(self, backend: "Backend") -> Float[Tensor, " a"]:
        """Return the backend's answer."""
        return backend.logsumexp_rows(self.contrast, self.link)


@dataclass(frozen=True, eq=False)
class Sum(_OfLink):
    """`sum_rows`."""

    def answered_by(self, backend: "Backend") -> Float[Tensor, " a"]:
        """Return the backend's answer."""
        return backend.sum_rows(self.contrast, self.link)


@dataclass(frozen=True, eq=False)
class Attention(_OfLink):
    """`attend_rows`."""

    values: Float[Tensor, "k e"]

    def answered_by(self, backend: "Backend") -> Float[Tensor, "a e"]:
        """Return the backend's answer."""
        return backend.attend_rows(self.contrast, self.values, self.link)


@dataclass(frozen=True, eq=False)
class ScoresAt(_PerAnchor):
    """`scores_at`."""

    index: Int[Tensor, "a t"]

    def answered_by(self, backend: "Backend") -> Float[Tensor, "a t"]:
        """Return the backend's answer."""
        return backend.scores_at(self.contrast, self.index)


@dataclass(frozen=True, eq=False)
class LargestScores(Request[Tail]):
    """`tail_rows`."""

    num_tail: int

    def answered_by(self, backend: "Backend") -> Tail:
        """Return the backend's answer."""
        return backend.tail_rows(self.contrast, self.num_tail)

    def of_all_anchors(self, own: Tail, ranks: Ranks) -> Tail:
        """Return all rows' tails."""
        return Tail(self._gathered(own.scores, ranks), self._gathered(own.keys, ranks))


@dataclass(frozen=True, eq=False)
class TailSummaries(_PerAnchor):
    """`tail_summaries`."""

    num_tail: int
    summary: Summary

    def answered_by(self, backend: "Backend") -> Float[Tensor, "a s"]:
        """Return the backend's answer."""
        return backend.tail_summaries(self.contrast, self.num_tail, self.summary)


@dataclass(frozen=True, eq=False)
class PooledTail(Request[Tensor]):
    """`pooled_tail`."""

    num_tail: int

    def answered_by(self, backend: "Backend") -> Float[Tensor, " t"]:
        """Return the backend's answer."""
        return backend.pooled_tail(self.contrast, self.num_tail)

    def of_all_anchors(self, own: Tensor, ranks: Ranks) -> Tensor:
        """Return the largest of what all ranks have found."""
        return torch.cat(ranks.gathered(own)).topk(self.num_tail).values


@dataclass(frozen=True, eq=False)
class Exceedances(Request[ExceedanceSums]):
    """`exceedance_rows`."""

    threshold: Float[Tensor, " a"]
    endpoint: float

    def answered_by(self, backend: "Backend") -> ExceedanceSums:
        """Return the backend's answer."""
        return backend.exceedance_rows(self.contrast, self.threshold, self.endpoint)

    def of_own_anchors(self, ranks: Ranks) -> "Exceedances":
        """Return the request with the own anchors' thresholds."""
        threshold = self.threshold[own_rows(self.contrast, ranks)]
        return replace(self, contrast=self._of_own_anchors(ranks), threshold=threshold)

    def of_all_anchors(self, own: ExceedanceSums, ranks: Ranks) -> ExceedanceSums:
        """Return all rows' sums: a collective costs more than what it carries, so one brings all of them."""
        return ExceedanceSums(*self._gathered(torch.stack([*vars(own).values()], dim=1), ranks).unbind(dim=1))


@dataclass(frozen=True)
class Backend(ABC):
    """Computes reductions; what they are, the functions of `anchorwise.engine` say.

    A backend answers those requests that it `supports`, and is asked for no others.

    Attributes:
        is_traceable: Whether it is nothing but torch operations on the whole score matrix: it can then be compiled,
            transformed by `torch.func` and differentiated any number of times, and ranks compute the same, since
            so few scores are cheaper than to send.
    """

    is_traceable: ClassVar[bool] = False

    @abstractmethod
    def supports(self, request: Request) -> bool:
        """Return whether this backend can compute the request."""

    @abstractmethod
    def suits(self, request: Request) -> bool:
        """Return whether this backend is the one to compute the request where nobody has said which."""

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the logsumexp of every row."""
        raise NotImplementedError

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum of every row."""
        raise NotImplementedError

    def attend_rows(self, contrast: Contrast, values: Float[Tensor, "k e"], link: Link) -> Float[Tensor, "a e"]:
        """Return the softmax mean of values of every row."""
        raise NotImplementedError

    def scores_at(self, contrast: Contrast, index: Int[Tensor, "a t"]) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with keys of its own."""
        raise NotImplementedError

    def tail_rows(self, contrast: Contrast, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        raise NotImplementedError

    def tail_summaries(self, contrast: Contrast, num_tail: int, summary: Summary) -> Float[Tensor, "a s"]:
        """Return a summary of every row's tail."""
        raise NotImplementedError

    def pooled_tail(self, contrast: Contrast, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        raise NotImplementedError

    def exceedance_rows(self, contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        raise NotImplementedError
