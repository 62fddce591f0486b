"""What every backend answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from anchorwise._ranks import Ranks
from anchorwise.engine.results import ExceedanceSums, Tail, Watch
from anchorwise.links import Link
from anchorwise.pairs import PairWeight, SameId

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points, s = statistics

Summary = Callable[[Float[Tensor, "a t"]], Float[Tensor, "a s"]]


@dataclass(frozen=True)
class Keys:
    """The keys of a reduction and which of them count for whom.

    Attributes:
        rows: Unit rows; the same tensor as the anchors where those are the keys.
        exclude: Pairs that do not count.
        only: The only pairs that count; None counts all that are not excluded.
        weight: Weights of pairs; None weighs all alike.
        ranks: The processes that hold the same rows and share the work; None where this one is alone.
        watch: Exceedances to be added up beside a logsumexp.
    """

    rows: Float[Tensor, "k d"]
    exclude: Sequence[SameId] = ()
    only: SameId | None = None
    weight: PairWeight | None = None
    ranks: Ranks | None = None
    watch: Watch | None = None


@dataclass(frozen=True)
class Backend(ABC):
    """Computes the engine's reductions; what they are, `anchorwise.engine` says."""

    @abstractmethod
    def logsumexp_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return the logsumexp of every row."""

    @abstractmethod
    def sum_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return the sum of every row."""

    @abstractmethod
    def attend_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, values: Float[Tensor, "k e"], link: Link
    ) -> Float[Tensor, "a e"]:
        """Return the softmax mean of values of every row."""

    @abstractmethod
    def scores_at(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
    ) -> Float[Tensor, "a t"]:
        """Return the scores of chosen keys."""

    @abstractmethod
    def tail_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""

    @abstractmethod
    def tail_summaries(
        self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int, summary: Summary
    ) -> Float[Tensor, "a s"]:
        """Return a summary of every row's tail."""

    @abstractmethod
    def pooled_tail(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""

    @abstractmethod
    def exceedance_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, threshold: Float[Tensor, " a"], endpoint: float
    ) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
