"""Negatives that are none: what the labels and the duplicates say."""

from dataclasses import dataclass

import numpy as np

from anchorwise.diagnostics.anchors import AnchorReadings
from anchorwise.diagnostics.rows import Rows
from anchorwise.diagnostics.statements import MOST, Statement
from anchorwise.diagnostics.stream import Tails


@dataclass(frozen=True)
class FalseNegatives:
    """What is known of negatives that are none.

    Attributes:
        num_anchors: Anchors that were looked at.
        num_exact: Those with an exact duplicate.
        num_likely: Those with a likely one.
        same_class: Share whose hardest negative has their class; None without labels.
    """

    num_anchors: int
    num_exact: int
    num_likely: int
    same_class: float | None

    @property
    def are_most(self) -> bool:
        """Whether the hardest negative of most anchors has their class."""
        return self.same_class is not None and self.same_class > MOST

    @property
    def num_duplicates(self) -> int:
        """Anchors with a duplicate, exact or likely; one that has both counts twice."""
        return self.num_exact + self.num_likely


def false_negatives(rows: Rows, tails: Tails, readings: AnchorReadings) -> FalseNegatives:
    """Count the anchors whose hardest negatives are none."""
    same = None
    if rows.labels is not None:
        found = np.isfinite(tails.scores[:, 0])  # Of some anchors all negatives are exact duplicates.
        hardest = rows.labels[tails.keys[found, 0] % rows.num_items]
        same = float((hardest == rows.labels[tails.anchors[found] % rows.num_items]).mean()) if found.any() else 0.0
    num_exact = len(np.unique(tails.duplicates.anchors))
    return FalseNegatives(len(tails.anchors), num_exact, int(readings.is_outlier.sum()), same)


def true_negatives(found: FalseNegatives) -> Statement:
    """Say how many anchors have negatives that are none."""
    numbers = {
        "anchors with an exact duplicate": f"{found.num_exact} of {found.num_anchors}",
        "anchors with a likely duplicate (far nearer than the rest of their tail)": (
            f"{found.num_likely} of {found.num_anchors}"
        ),
    }
    if found.same_class is not None:
        numbers["anchors whose hardest negative has their class"] = f"{found.same_class:.0%}"
    question = "Are some of the hardest negatives not negatives at all?"
    return Statement("True negatives", question, *_truth_of(found), numbers)


def _truth_of(found: FalseNegatives) -> tuple[str, str]:
    duplicates = "no duplicate found"
    text = "Among the sampled anchors no negative is a duplicate."
    if found.num_duplicates:
        duplicates = "some are duplicates"
        text = (
            "They are named below. The shortfall link pushes hardest against what is nearest: take duplicates out of "
            "the data, or give rows that show the same thing one id."
        )
    if found.same_class is None:
        return f"cannot be told without labels; {duplicates}", (
            f"{text} Whether the others show what their anchor shows is known only to labels."
        )
    if found.are_most:
        return "most are not, by the labels", (
            f"For {found.same_class:.0%} of the anchors the hardest negative has their own class, so what is pushed "
            f"hardest belongs together. Use the labels (sup_con). {text}"
        )
    return f"{found.same_class:.0%} have the anchor's class; {duplicates}", text
