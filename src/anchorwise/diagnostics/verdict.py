"""What follows from all evidence together, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anchorwise.diagnostics.advice import which_objective, which_temperature
from anchorwise.diagnostics.draws import Draw
from anchorwise.diagnostics.false_negatives import FalseNegatives, true_negatives
from anchorwise.diagnostics.gradient import LinkReport
from anchorwise.diagnostics.law_answers import ends_where, which_law
from anchorwise.diagnostics.space import SpaceReport
from anchorwise.diagnostics.statements import Statement
from anchorwise.diagnostics.stream import Tails

COLLAPSED = 0.1  # Share of the largest effective rank there can be, below which the space counts as hardly used.


@dataclass(frozen=True)
class Verdict:
    """All statements, and the one thing that follows from them together.

    Attributes:
        statements: One for each question.
        headline: What the page leads with.
    """

    statements: Sequence[Statement]
    headline: str


def give_verdict(
    tails: Tails,
    draws: Sequence[Draw],
    links: LinkReport,
    space: SpaceReport,
    false_negatives: FalseNegatives,
    is_stable: bool,
) -> Verdict:
    """Weigh all evidence together.

    Args:
        tails: The hardest negatives.
        draws: What the parts of the anchors say.
        links: What a loss would do.
        space: How the space is filled.
        false_negatives: What is known of negatives that are none.
        is_stable: Whether a threshold of the pooled tail met the rule, so that the pooled fits decide anything.
    """
    hardest = tails.scores[:, 0]
    law = which_law(draws, float(np.median(hardest)), is_stable)
    statements = [
        law,
        which_objective(law.answer, links, false_negatives),
        which_temperature(links, false_negatives),
        ends_where(draws, float(hardest.max()), is_stable),
        true_negatives(false_negatives),
        uses_space(space),
    ]
    return Verdict(statements, _headline(law.answer, statements[1].answer, false_negatives, is_stable))


def _headline(law: str, objective: str, found: FalseNegatives, is_stable: bool) -> str:
    if found.are_most:
        return (
            f"Most of the hardest negatives are none, by the labels: for {found.same_class:.0%} of the anchors the "
            f"hardest has their own class. Use the labels (sup_con). Their law ({law}) recommends no steeper "
            "link here, since that would push just those harder."
        )
    words = f"The law of the hardest negatives: {law}. Worth trying first: {objective}."
    if not is_stable:
        words += " The pooled charts do not decide; this rests on single anchors."
    if found.same_class is None:
        words += " Whether the hardest negatives are true ones cannot be told without labels."
    return words


def uses_space(space: SpaceReport) -> Statement:
    """Say whether the embeddings fill their space."""
    topic, question = "Space", "Do the embeddings use their space?"
    numbers = {
        "effective rank": f"{space.effective_rank:.1f} of {space.width}",
        "length of the mean direction (1: all rows point one way)": ", ".join(
            f"{one:.2f}" for one in space.mean_resultant
        ),
    }
    if space.effective_rank < COLLAPSED * min(space.width, space.num_items):
        text = "Most directions are hardly used: look at the spectrum below, at the projection head and the batch size."
        return Statement(topic, question, "hardly", text, numbers)
    return Statement(topic, question, "yes", "No sign of collapse.", numbers)
