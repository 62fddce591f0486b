"""An answer in plain words with the numbers it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anchorwise.diagnostics.pooled import PooledEstimate

INCONCLUSIVE = "inconclusive"
MOST, SOME = 0.5, 0.1  # Shares of anchors.


@dataclass(frozen=True)
class Statement:
    """An answer to one question.

    Attributes:
        topic: In one word or two, for a line on a terminal.
        question: In plain words.
        answer: In one word or a few; "inconclusive" where the draws do not agree or are too small.
        text: What it means and what to do.
        numbers: What it rests on, as text by name.
    """

    topic: str
    question: str
    answer: str
    text: str
    numbers: Mapping[str, str]


def by_draw(estimates: Sequence[PooledEstimate], form: str) -> str:
    """Return the estimates of all draws as text."""
    return ", ".join(interval_text(one, form) for one in estimates)


def interval_text(estimate: PooledEstimate, form: str) -> str:
    """Return an estimate with its interval as text; a missing bound is "none"."""
    if estimate.value is None and estimate.low is None:
        return "none"
    value, low, high = (
        "none" if one is None else form.format(one) for one in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"
