"""Which rows are anchors and keys, and which pairs do not count.

Exclusions are integer ids, one per row, and never a mask: a mask has as many entries as the score matrix.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor
from torch.nn import functional

from anchorwise import _tensor_checks
from anchorwise._ranks import Ranks, gather_rows, sharing_ranks

# n = samples, v = views, d = embedding width, a = anchors, k = keys, e = excluded keys per anchor, c = values per row,
# m = samples of all ranks

Made = TypeVar("Made")

EMPTY_SLOT = -1  # The id of a row of a queue that is not there yet: it is no negative.


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
    """

    anchors: Float[Tensor, "a d"]
    keys: Float[Tensor, "k d"]
    exclude: Sequence[SameId] = ()
    num_excluded: int | None = None
    only: SameId | None = None
    weight: PairWeight | None = None
    ranks: Ranks | None = None
    first_positive: int | None = None
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
        first, num_keys = self.first_positive, len(self.keys)
        if first is None:
            raise ValueError("positives must be keys: say in first_positive which key is the first anchor's")
        return (first,) if first + len(self.anchors) <= num_keys else (first, first - num_keys)

    @property
    def positive_scores(self) -> Float[Tensor, " a"]:
        """Scores of positives.

        Raises:
            ValueError: If positives are no keys.
        """
        if len(self.positive_diagonals) == 1:
            return (self.anchors * self.keys[self.first_positive :][: len(self.anchors)]).sum(dim=1)
        # Rows of two views, each other's positives. The gradients of both views are put together at once.
        first, second = self.anchors.unflatten(0, (2, -1)).unbind()
        return (first * second).sum(dim=1).repeat(2)

    def of_anchors(self, rows: slice) -> "Contrast":
        """Return the contrast of some of the anchors with all keys."""
        return replace(
            self,
            first_positive=None,
            anchors=self.anchors[rows],
            exclude=tuple(same.of_anchors(rows) for same in self.exclude),
            only=None if self.only is None else self.only.of_anchors(rows),
            weight=None if self.weight is None else replace(self.weight, anchor_values=self.weight.anchor_values[rows]),
        )


@dataclass(frozen=True)
class Views:
    """Views of n samples as unit rows.

    Attributes:
        units: Unit rows of every view, float32 or float64; row i of every view comes from sample i.
        ids: Which sample a row comes from; rows of one id are never negatives of each other.
        distinct: Whether the ids are the numbers of the rows, so that none is there twice.
        ranks: The processes whose samples these are, and which share the work on them; None where this one is alone.
    """

    units: Float[Tensor, "v n d"]
    ids: Int[Tensor, " n"]
    distinct: bool = True
    ranks: Ranks | None = None

    def beside(self, name: str, rows: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        """Return further rows, such as those of a queue, as unit rows of the views' own width and dtype.

        Raises:
            ValueError: If they are no matrix, or of another width or device.
            TypeError: If they are no tensor, or not floating.
        """
        _tensor_checks.rows(name, rows)
        _tensor_checks.alike("view0", self.units[0], name, rows)
        return unit_rows(rows).to(self.units)

    @property
    def num_views(self) -> int:
        """Views of every sample."""
        return self.units.shape[0]

    @property
    def num_samples(self) -> int:
        """Rows of every view."""
        return self.units.shape[1]

    @property
    def num_distinct(self) -> int:
        """Samples of different ids; where these are not read (`_tensor_checks.are_read`), all count as different."""
        if self.distinct or not _tensor_checks.are_read(self.ids):
            return self.num_samples
        return len(self.ids.unique())

    @property
    def num_others(self) -> Int[Tensor, " n"]:
        """How many samples are of other ids than a sample's own."""
        return self.num_samples - num_same(self.ids)

    @property
    def rows(self) -> Float[Tensor, "a d"]:
        """All rows, view by view."""
        return self.units.flatten(0, 1)

    @property
    def positive_scores(self) -> Float[Tensor, " a"]:
        """Cosine of every row with the other one of two views of its sample."""
        return self.scores_between(0, 1).repeat(2)

    @property
    def sample_scores(self) -> Float[Tensor, "a v"]:
        """Cosine of every row with all views of its sample, itself among them."""
        # Not a matrix product, which autocast would round to half precision.
        columns = [(self.units * unit).sum(dim=2).flatten() for unit in self.units]
        return torch.stack(columns, dim=1)

    @property
    def itself(self) -> Bool[Tensor, "a v"]:
        """Where `sample_scores` are those of a row with itself."""
        eye = torch.eye(self.num_views, dtype=torch.bool, device=self.ids.device)
        return eye.repeat_interleave(self.num_samples, dim=0)

    def over_pairs(self, logits: Float[Tensor, "a v"]) -> Float[Tensor, " n"]:
        """Return the logsumexp over the ordered pairs of different views of every sample."""
        of_sample = logits.masked_fill(self.itself, -torch.inf).view(self.num_views, self.num_samples, self.num_views)
        return of_sample.logsumexp(dim=(0, 2))

    def scores_between(self, view: int, other: int) -> Float[Tensor, " n"]:
        """Return the cosine of every sample's two views."""
        units = self.units.unbind()  # The gradients of all views are then put together at once.
        return (units[view] * units[other]).sum(dim=1)

    def pooled(self, *, same_view: bool = True) -> Contrast:
        """Contrast every row with the rows of all other samples, with or without those of its own view."""
        ids = self.ids.repeat(self.num_views)
        rows, same_sample = self.rows, SameId(ids, ids, self._period)
        first_positive = self.num_samples if self.num_views == 2 else None
        if not same_view:
            exclude, num_excluded = (same_sample, self._same_view()), None
        else:
            exclude, num_excluded = (same_sample,), self.num_views if self.distinct else None
        return Contrast(rows, rows, exclude, num_excluded, ranks=self.ranks, first_positive=first_positive)

    def same_sample(self) -> SameId:
        """Say which pairs of a row of one view and a row of any view are of one sample."""
        return SameId(self.ids, self.ids.repeat(self.num_views), self._period)

    def _same_view(self) -> SameId:
        views = torch.arange(self.num_views, device=self.ids.device).repeat_interleave(self.num_samples)
        return SameId(views, views)

    def within(self, view: int) -> Contrast:
        """Contrast the rows of one view with each other."""
        rows = self.units[view]
        return self._between(rows, rows)

    def across(self, view: int, other: int) -> Contrast:
        """Contrast the rows of one view with those of another."""
        return replace(self._between(self.units[view], self.units[other]), first_positive=0)

    def _between(self, anchors: Float[Tensor, "n d"], keys: Float[Tensor, "n d"]) -> Contrast:
        num_excluded = 1 if self.distinct else None
        return Contrast(anchors, keys, (SameId(self.ids, self.ids, self._period),), num_excluded, ranks=self.ranks)

    @property
    def _period(self) -> int | None:
        return self.num_samples if self.distinct else None


def views_of(*views: Float[Tensor, "n d"], ids: Integer[Tensor, " n"] | None = None) -> Views:
    """Normalise views and say which of their rows belong together: those with the same row number, and the same id.

    Views may differ in dtype: they are widened to the widest of them, and to float32 at least.

    Where a process group exists, the result has the samples of all its ranks (`over_ranks` says otherwise), and all of
    them must call this; a rank may have no row, but not all of them.

    Raises:
        ValueError: If the views differ in shape or device, are not matrices, or are empty, or if ids do not fit them.
        TypeError: If a view is no tensor or not floating, or ids are not whole numbers.
    """
    _tensor_checks.views(*views)
    ranks = sharing_ranks()
    units = unit_rows(torch.stack(views))
    if ranks is not None:  # All views at once: a collective costs more than what it carries.
        units = gather_rows(units.transpose(0, 1)).transpose(0, 1).contiguous()
    _tensor_checks.some_samples(units.shape[1], *views)
    if ids is None:
        return Views(units, torch.arange(units.shape[1], device=units.device), ranks=ranks)
    return Views(units, gathered_ids("ids", ids, views[0]), distinct=False, ranks=ranks)


def gathered_ids(name: str, values: Integer[Tensor, " n"], view: Float[Tensor, "n d"]) -> Int[Tensor, " m"]:
    """Return ids, one for each row of a view, of the samples of all ranks.

    Raises:
        ValueError: If there is not one for each row, or they are on another device.
        TypeError: If they are not whole numbers.
    """
    return gather_rows(_tensor_checks.one_per_sample(name, values, view))


def gathered_classes(
    name: str, values: Integer[Tensor, " n"] | Bool[Tensor, " n"], view: Float[Tensor, "n d"]
) -> Int[Tensor, " m"]:
    """Return classes, one for each row of a view, of the samples of all ranks; booleans are two classes.

    Raises:
        ValueError: If there is not one for each row, or they are on another device.
        TypeError: If they are not whole numbers.
    """
    return gather_rows(_tensor_checks.class_per_sample(name, values, view))


def num_same(ids: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Return how many rows have each row's id, itself among them."""
    rising = ids.sort().values
    return torch.searchsorted(rising, ids, right=True) - torch.searchsorted(rising, ids)


def numbered(ids: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Number the ids of a batch, from 0: ids are names, and may be any whole numbers."""
    # The first place of an id among the sorted ones, for which no table of all samples is needed.
    return torch.searchsorted(ids.sort().values, ids)


def unit_rows(rows: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
    """Scale every row to length 1 in float32 or wider; a row of zeros stays zero and passes its gradient on unscaled.

    Rows are first divided by their largest entry, so that squares neither overflow nor vanish at any scale of input.
    """
    wide = rows.double() if rows.dtype == torch.float64 else rows.float()
    scaled = wide / functional.threshold(_largest_entry(wide.detach()), 0.0, 1.0)  # 1 for a row of zeros.
    # A graph is differentiated as a whole, and takes nothing that is differentiable forward by a rule of its own.
    units, _ = _divided_by_length(scaled) if torch.compiler.is_compiling() else _DividedByLength.apply(scaled)
    return units


def _largest_entry(rows: Tensor) -> Tensor:
    if rows.device.type == "cpu":  # Where that takes a tenth of the time, and two operations cost no more than one.
        return rows.abs().amax(dim=-1, keepdim=True)
    return torch.linalg.vector_norm(rows, ord=torch.inf, dim=-1, keepdim=True)


def _divided_by_length(scaled: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows of length 1, and the lengths before: at least 1, as the largest entry is, unless a row is 0."""
    length = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True).clamp_min(1.0)
    return scaled / length, length


class _DividedByLength(torch.autograd.Function):
    """`_divided_by_length` with a derivative of a few operations, where that of its steps has a dozen."""

    generate_vmap_rule = True
    forward = staticmethod(_divided_by_length)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)  # Hardly ever has the length a gradient.
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> Tensor | None:
        (units, length), (by_units, by_length) = ctx.saved_tensors, grad_outputs
        along = None if by_length is None else by_length * units
        if by_units is None:
            return along
        across = torch.addcmul(by_units, units, (by_units * units).sum(dim=-1, keepdim=True), value=-1.0) / length
        return across if along is None else across + along

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> tuple[Tensor, Tensor]:
        (units, length), (change,) = ctx.saved_tensors, grad_inputs
        along = (change * units).sum(dim=-1, keepdim=True)
        return torch.addcmul(change, units, along, value=-1.0) / length, along


def scale_gradient(rows: Float[Tensor, "a d"], share: float) -> Float[Tensor, "a d"]:
    """Return the rows unchanged; only `share` of the gradient goes through them."""
    held = rows.detach()
    return held + share * (rows - held)
