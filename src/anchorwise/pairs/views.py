"""Views of the same samples as unit rows, those of all ranks together, and which of their rows belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._ranks import Ranks, gather_rows, sharing_ranks
from anchorwise.pairs.contrast import Contrast, PairWeight, SameId
from anchorwise.pairs.ids import num_same
from anchorwise.pairs.rows import stacked, unit_rows

# n = samples, v = views, d = embedding width, a = rows of all views, r = some of them, k = further rows,
# m = samples of all ranks


@dataclass(frozen=True)
class Views:
    """Views of n samples as unit rows.

    Attributes:
        units: Unit rows of every view, float32 or float64; row i of every view comes from sample i.
        ids: Which sample a row comes from; rows of one id are never negatives of each other.
        distinct: Whether the ids are the numbers of the rows, so that none is there twice.
        ranks: The processes whose samples these are, and which share the work on them; None where this one is alone.
        is_rounded: Whether a view came in half precision, before its rows were widened.
    """

    units: Float[Tensor, "v n d"]
    ids: Int[Tensor, " n"]
    distinct: bool = True
    ranks: Ranks | None = None
    is_rounded: bool = False

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
        return torch.cat([self.scores_between(0, 1)] * 2)

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
        ids = torch.cat([self.ids] * self.num_views)  # In Python a fifth of the time of `repeat`.
        rows, same_sample = self.rows, SameId(ids, ids, self._period)
        first_positive = self.num_samples if self.num_views == 2 else None
        if same_view:
            num_excluded = self.num_views if self.distinct else None
            return self.contrast(rows, rows, (same_sample,), num_excluded, first_positive=first_positive)
        between = self.contrast(rows, rows, (same_sample, self._same_view()), first_positive=first_positive)
        return replace(between, between_halves=self.num_views == 2)

    def contrast(
        self,
        anchors: Float[Tensor, "r d"],
        keys: Float[Tensor, "k d"],
        exclude: Sequence[SameId] = (),
        num_excluded: int | None = None,
        *,
        only: SameId | None = None,
        weight: PairWeight | None = None,
        first_positive: int | None = None,
    ) -> Contrast:
        """Contrast rows of these samples with these or with further ones, as `Contrast` has it."""
        shared = (only, weight, self.ranks, first_positive, self.is_rounded)
        return Contrast(anchors, keys, exclude, num_excluded, *shared)

    def same_sample(self) -> SameId:
        """Say which pairs of a row of one view and a row of any view are of one sample."""
        return SameId(self.ids, torch.cat([self.ids] * self.num_views), self._period)

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
        own, num_excluded = SameId(self.ids, self.ids, self._period), 1 if self.distinct else None
        return self.contrast(anchors, keys, (own,), num_excluded)

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
    units = unit_rows(stacked(views))
    if ranks is not None:  # All views at once: a collective costs more than what it carries.
        units = gather_rows(units.transpose(0, 1)).transpose(0, 1).contiguous()
    _tensor_checks.some_samples(units.shape[1], *views)
    is_rounded = any(view.dtype.itemsize < 4 for view in views)
    if ids is None:
        return Views(units, torch.arange(units.shape[1], device=units.device), ranks=ranks, is_rounded=is_rounded)
    return Views(units, gathered_ids("ids", ids, views[0]), distinct=False, ranks=ranks, is_rounded=is_rounded)


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
