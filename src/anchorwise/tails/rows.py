"""The tail of every row of given scores, and what the estimators on it have in common.

A tail is the `num_tail` largest scores of a row, measured from the next largest, the threshold. Scores that are tied
with the threshold do not exceed it. What cannot be used is counted and left out, and rows with too little left are
marked, so that data never raise.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.links import MIN_SHORTFALL, shortfall
from anchorwise.tails.tail_sums import TailSums

# a = anchors, k = scores of an anchor, t = tail points

MIN_EXCEEDANCES = 8


@dataclass(frozen=True)
class Note:
    """A sentence about some rows.

    Attributes:
        text: With `{}` where the row's number goes.
        number: Per row; 0 where there is nothing to say.
    """

    text: str
    number: Int[Tensor, " a"]


@dataclass(frozen=True)
class RowResult:
    """What every estimate of this package says of its rows beside its numbers.

    Attributes:
        converged: Whether all of a row's numbers can be used; those that cannot are not numbers.
        notes: What there is to know about rows.
    """

    converged: Bool[Tensor, " a"]
    notes: tuple[Note, ...]

    @property
    def message(self) -> tuple[str, ...]:
        """One text per row, empty where there is nothing to say; read from the device at every call."""
        said: list[list[str]] = [[] for _ in range(len(self.converged))]
        for note in self.notes:
            for row in note.number.nonzero().flatten().tolist():
                said[row].append(note.text.format(int(note.number[row])))
        return tuple("; ".join(texts) for texts in said)


@dataclass(frozen=True)
class RowTails:
    """The tails of rows of scores, in float64.

    Attributes:
        scores: The largest of each row in falling order; those not above the threshold do not count.
        threshold: Per row the next largest score; not a number where a row has too few.
        num_at_cap: Scores left out because they lie at the end of the scale, or beyond.
        notes: What was left out, and which rows have too few exceedances.
    """

    scores: Float[Tensor, "a t"]
    threshold: Float[Tensor, " a"]
    num_at_cap: Int[Tensor, " a"]
    notes: tuple[Note, ...]

    @property
    def counted(self) -> Bool[Tensor, "a t"]:
        """Which scores exceed their threshold."""
        return self.scores > self.threshold.unsqueeze(1)

    @property
    def count(self) -> Float[Tensor, " a"]:
        """Exceedances per row."""
        return self.counted.sum(dim=1).to(self.scores.dtype)

    @property
    def enough(self) -> Bool[Tensor, " a"]:
        """Whether a row has exceedances enough to estimate anything."""
        return self.count >= MIN_EXCEEDANCES

    @property
    def excess(self) -> Float[Tensor, "a t"]:
        """Score minus threshold in falling order, 0 where a score does not count."""
        return torch.where(self.counted, self.scores - self.threshold.unsqueeze(1), 0.0)

    def sums(self, endpoint: float) -> TailSums:
        """Return what the likelihoods in closed form need; shortfalls are measured from `endpoint`."""
        counted, known = self.counted, self.threshold.nan_to_num(nan=0.0)
        widest = shortfall(known, endpoint)
        ratios = torch.where(counted, widest.unsqueeze(1) / (endpoint - self.scores), 1.0)
        return TailSums(
            threshold_shortfall=widest,
            hardest_shortfall=shortfall(torch.where(counted[:, 0], self.scores[:, 0], known), endpoint),
            count=self.count,
            sum_log_ratio=ratios.log().sum(dim=1),
            sum_relative_excess=self.excess.sum(dim=1) / widest,
        )


@dataclass(frozen=True)
class UsableScores:
    """Rows of scores without what cannot be used.

    Attributes:
        scores: At least float32; minus infinity where there is nothing to use.
        num_at_cap: Scores per row left out because they lie at the end of the scale, or beyond.
        notes: What was left out.
    """

    scores: Float[Tensor, "a k"]
    num_at_cap: Int[Tensor, " a"]
    notes: tuple[Note, ...]

    @property
    def count(self) -> Int[Tensor, " a"]:
        """Usable scores per row."""
        return (self.scores > -torch.inf).sum(dim=1)

    def largest(self, number: int) -> Float[Tensor, "a t"]:
        """Return that many largest scores of every row, in falling order and float64; rows are filled up with -inf."""
        missing = max(number - self.scores.shape[1], 0)
        filled = torch.nn.functional.pad(self.scores, (0, missing), value=-torch.inf)
        return filled.topk(number, dim=1).values.double()

    def too_few(self, need: int, what: str) -> tuple[Note, ...]:
        """Return the notes of rows with fewer usable scores than `need`."""
        short = self.count < need
        return (
            noted(self.count == 0, "no score is left"),
            Note(f"{{}} scores, need {need}: {what}", self.count * short),
        )


@torch.no_grad()
def usable_scores(scores: Float[Tensor, "a k"], cap: float | None) -> UsableScores:
    """Return the scores that can be used.

    Args:
        scores: Minus infinity marks pairs that are no negatives; not-a-number and infinity are counted and left out.
        cap: Where scores end. Those nearer than `MIN_SHORTFALL`, or beyond, are counted and left out: an exact
            duplicate is a false negative, not tail. None: nothing is left out.

    Raises:
        ValueError: If `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    _tensor_checks.score_rows(scores)
    wide = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    unusable = wide.isnan() | (wide == torch.inf)
    at_cap = torch.zeros_like(unusable) if cap is None else (cap - wide < MIN_SHORTFALL) & ~unusable
    num_at_cap = at_cap.sum(dim=1)
    notes = (
        Note("{} scores are not finite and were left out", unusable.sum(dim=1)),
        Note(f"{{}} scores nearer than {MIN_SHORTFALL:g} to their end, or beyond, were left out", num_at_cap),
    )
    return UsableScores(wide.masked_fill(unusable | at_cap, -torch.inf), num_at_cap, notes)


def row_tails(scores: Float[Tensor, "a k"], num_tail: int, cap: float | None) -> RowTails:
    """Return the `num_tail` largest usable scores of every row above the next one.

    Raises:
        ValueError: If `scores` is no matrix or `num_tail` no whole number above 0.
        TypeError: If `scores` is not floating.
    """
    _checks.count("num_tail", num_tail)
    usable = usable_scores(scores, cap)
    largest = usable.largest(num_tail + 1)
    threshold = torch.where(largest[:, -1] == -torch.inf, torch.nan, largest[:, -1])
    tails = RowTails(largest[:, :-1], threshold, usable.num_at_cap, usable.notes)
    tied = noted(
        threshold.isfinite() & ~tails.enough,
        f"need {MIN_EXCEEDANCES} scores above the threshold: too few tail points, or ties",
    )
    few = usable.too_few(num_tail + 1, f"{num_tail} tail points and their threshold")
    return replace(tails, notes=(*usable.notes, *few, tied))


def noted(rows: Bool[Tensor, " a"], text: str) -> Note:
    """Return a note of the marked rows."""
    return Note(text, rows.long())
