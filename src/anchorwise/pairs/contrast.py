"""Which rows are anchors and keys, and which pairs do not count.

Exclusions are integer ids, one per row, and never a mask: a mask has as many entries as the score matrix.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from anchorwise._ranks import Ranks

# d = embedding width, a = anchors, k = keys, e = excluded keys per anchor, c = values per row

Made = TypeVar("Made")


@dataclass(frozen=True)
class SameId:
    """The pairs whose anchor and key have the same id.

    Attributes:
        anchor_ids: Of every anchor.
        key_ids: Of every key.
        period: Where the ids are the rows' numbers modulo this one, as those of views one after the other are: then it
            is known without a look at ids in which part of the scores such pairs are. None where they are anything.
        first_anchor: The number of the first anchor, where there is a period; the first key's is 0.
    """

    anchor_ids: Int[Tensor, " a"]
    key_ids: Int[Tensor, " k"]
    period: int | None = None
    first_anchor: int = 0

    def of_anchors(self, rows: slice) -> "SameId":
        """Return the pairs of some of the anchors, which follow one another."""
        first_anchor = self.first_anchor + rows.indices(len(self.anchor_ids))[0]
        return replace(self, anchor_ids=self.anchor_ids[rows], first_anchor=first_anchor)


@dataclass(frozen=True, eq=False)
class PairWeight(ABC):
    """Weights of pairs, made of what comes with an anchor and what comes with a key, for some of each at a time.

    Weights have no gradient.

    Attributes:
        anchor_values: What comes with every anchor.
        key_values: What comes with every key.
    """

    anchor_values: Shaped[Tensor, "a c"]
    key_values: Shaped[Tensor, "k c"]

    @abstractmethod
    def log_weights(
        self, anchor_values: Shaped[Tensor, "a c"], key_values: Shaped[Tensor, "k c"]
    ) -> Float[Tensor, "a k"]:
        """Return the logarithms of the weights of all pairs of these anchors and keys; minus infinity is weight 0."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """Anchors, keys, and which of their pairs count: what a reduction of scores has to know of its rows.

    Attributes:
        anchors: Unit rows, float32 or float64.
        keys: Unit rows; the same tensor where the anchors are the keys, and every score is then computed once.
        exclude: The pairs that are no negatives.
        num_excluded: How many of those pairs every anchor has, all of `exclude[0]`; None where the numbers differ, as
            with labels.
        only: The only pairs that count; None counts all that are not excluded.
        weight: Weights of pairs; None weighs all alike.
        ranks: The processes that hold the same rows and share the work on them; None where this one is alone.
        first_positive: The number of the key that is the first anchor's positive, and no negative; those of the others
            are the next ones in turn, and after the last key comes the first. None where positives are no keys.
        is_rounded: Whether rows came in half precision, so that scores are off by its rounding as it is.
        between_halves: Whether anchors and keys are the rows of two views, one after the other, and pairs count only
            between them: every score serves two rows.
    """

    anchors: Float[Tensor, "a d"]
    keys: Float[Tensor, "k d"]
    exclude: Sequence[SameId] = ()
    num_excluded: int | None = None
    only: SameId | None = None
    weight: PairWeight | None = None
    ranks: Ranks | None = None
    first_positive: int | None = None
    is_rounded: bool = False
    between_halves: bool = False
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, what: str, make: Callable[[], Made]) -> Made:
        """Return what `make` makes of this contrast, made once for all that is asked of it.

        A contrast that `replace` makes of this one starts anew.
        """
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    @property
    def is_symmetric(self) -> bool:
        """Whether the anchors are the keys."""
        return self.keys is self.anchors

    @property
    def halves(self) -> "list[tuple[slice, Contrast]]":
        """The anchors of each half and their contrast with the other half, for what gains nothing by both in one."""
        (same, *_), number = self.exclude, self.anchors.shape[0] // 2
        own, (first, second) = SameId(same.anchor_ids[:number], same.key_ids[number:], same.period), self._by_half
        num_excluded = None if same.period is None else 1
        known = ((own,), num_excluded, None, None, self.ranks, 0, self.is_rounded)
        return [
            (slice(number), Contrast(first, second, *known)),
            (slice(number, None), Contrast(second, first, *known)),
        ]

    @property
    def _by_half(self) -> tuple[Tensor, ...]:
        return self.anchors.unflatten(0, (2, -1)).unbind()  # The gradients of both are put together at once.

    def of_pairs_alone(self) -> "Contrast":
        """Return what is known of the pairs, with rows of width 0: neither rows nor what is made of them are kept."""
        anchors = self.anchors.new_empty(self.anchors.shape[0], 0)
        keys = anchors if self.is_symmetric else anchors.new_empty(self.keys.shape[0], 0)
        known = (self.exclude, self.num_excluded, self.only, self.weight, self.ranks, self.first_positive)
        return Contrast(anchors, keys, *known, is_rounded=self.is_rounded)

    def detached(self) -> "Contrast":
        """Return the contrast of the same rows without gradient."""
        anchors = self.anchors.detach()
        return replace(self, anchors=anchors, keys=anchors if self.is_symmetric else self.keys.detach())

    @property
    def excluded_keys(self) -> Int[Tensor, "a e"]:
        """Which keys every anchor leaves out; `num_excluded` says how many.

        Raises:
            ValueError: If the numbers differ.
        """
        if self.num_excluded is None:
            raise ValueError("anchors leave out different numbers of keys, which are no matrix")
        if self.num_excluded == 0:
            return torch.empty(len(self.anchors), 0, dtype=torch.int64, device=self.anchors.device)
        same = self.exclude[0]
        rising = same.key_ids.sort(stable=True)
        first = torch.searchsorted(rising.values, same.anchor_ids)
        places = torch.arange(self.num_excluded, device=first.device)
        return rising.indices[first.unsqueeze(1) + places]

    @property
    def positive_diagonals(self) -> tuple[int, ...]:
        """The diagonals of a score matrix that the positives lie on, as `Tensor.diagonal` counts, in order of anchors.

        Raises:
            ValueError: If positives are no keys.
        """
        first, num_keys = self.first_positive, self.keys.shape[0]
        if first is None:
            raise ValueError("positives must be keys: say in first_positive which key is the first anchor's")
        return (first,) if first + self.anchors.shape[0] <= num_keys else (first, first - num_keys)

    @property
    def positive_scores(self) -> Float[Tensor, " a"]:
        """Scores of positives.

        Raises:
            ValueError: If positives are no keys.
        """
        if len(self.positive_diagonals) == 1:
            return (self.anchors * self.keys[self.first_positive :][: len(self.anchors)]).sum(dim=1)
        first, second = self._by_half  # Rows of two views, each other's positives.
        return torch.cat([(first * second).sum(dim=1)] * 2)

    def of_anchors(self, rows: slice) -> "Contrast":
        """Return the contrast of some of the anchors with all keys."""
        return replace(
            self,
            first_positive=None,
            between_halves=False,
            anchors=self.anchors[rows],
            exclude=tuple(same.of_anchors(rows) for same in self.exclude),
            only=None if self.only is None else self.only.of_anchors(rows),
            weight=None if self.weight is None else replace(self.weight, anchor_values=self.weight.anchor_values[rows]),
        )
