"""Which objective and temperature to try first, from the law, the batches and what the negatives are."""

import math

import numpy as np

from anchorwise.diagnostics.false_negatives import FalseNegatives
from anchorwise.diagnostics.gradient import SHORTFALL, WEINCE, LinkReport
from anchorwise.diagnostics.law_answers import ENDLESS, ENDS, NEITHER
from anchorwise.diagnostics.statements import INCONCLUSIVE, MOST, SOME, Statement

STEADY = 1.25  # Largest over smallest temperature of the batches, up to which one temperature is named.


def which_temperature(links: LinkReport, found: FalseNegatives) -> Statement:
    """Say which softmax temperature comes nearest to the shortfall link with the tail's own exponent."""
    numbers = {
        "temperature of equal effective negatives, by batch": ", ".join(
            f"{one:.3f}" for one in links.matched_temperature
        ),
        "exponent of the tail, by batch": ", ".join(f"{one:.1f}" for one in links.exponents),
        **{
            f"temperature as steep as the shortfall link at rank {rank}": f"{np.median(values):.3f}"
            for rank, values in links.slope_temperature.items()
        },
    }
    question = "Which temperature makes softmax look at as many negatives as the tail suggests?"
    return Statement("Temperature", question, *_temperature_of(links, found), numbers)


def _temperature_of(links: LinkReport, found: FalseNegatives) -> tuple[str, str]:
    matched = links.matched_temperature
    if not all(map(math.isfinite, matched)) or max(matched) > STEADY * min(matched):
        return INCONCLUSIVE, (
            "The batches differ too much in it, or no temperature does. Larger batches (batch_size) may settle it."
        )
    middle = float(np.median(matched))
    text = f"At about {middle:.2g}, softmax spreads its gradient over as many negatives as the shortfall link does."
    if found.are_most:
        return f"not below {middle:.2g}", (
            f"{text} But most of the hardest negatives have the anchor's own class, and a lower temperature pushes "
            "those harder: search upwards."
        )
    return f"about {middle:.2g}", (
        f"{text} It is a place to start a search, not a tuned value: try half and twice of it too."
    )


def which_objective(law: str, links: LinkReport, found: FalseNegatives) -> Statement:
    """Say which objective to try first."""
    numbers = {
        f"share of the shortfall link in WEINCE, with {links.num_negatives} negatives, by batch": ", ".join(
            f"{one:.0%}" for one in links.blend
        ),
        "effective negatives, shortfall link": f"{np.median(links.shares[SHORTFALL].effective_negatives):.0f}",
        "effective negatives, WEINCE": f"{np.median(links.shares[WEINCE].effective_negatives):.0f}",
    }
    question = "Which objective is worth trying first?"
    return Statement("Objective", question, *_objective_of(law, links, found), numbers)


def _objective_of(law: str, links: LinkReport, found: FalseNegatives) -> tuple[str, str]:
    if found.are_most:
        return "sup_con, with the labels", (
            f"For {found.same_class:.0%} of the anchors the hardest negative has their own class. Whatever the law, a "
            "steeper link (weince, weibit, a lower temperature) pushes just those harder. Where the labels may not be "
            "used, softmax with the higher of two temperatures is the safer one."
        )
    caution = " A tail says which link fits the scores, not which features are better: train both and compare."
    if law in (INCONCLUSIVE, NEITHER):
        return INCONCLUSIVE, "It follows from the law, which is open."
    if law == ENDLESS:
        return "info_nce", "Softmax has the right form; its temperature is what there is to tune." + caution
    if max(links.blend) < MOST:
        return "info_nce, or weince with large batches", (
            f"All rows together show the law, but a batch with {links.num_negatives} negatives hardly does, and a loss "
            "sees no more than that: WEINCE would mostly act as InfoNCE. Tune the temperature; larger batches show "
            "more." + caution
        )
    if min(links.blend) < MOST:
        return INCONCLUSIVE, "The batches differ in how far they show the law." + caution
    condition = _condition(found)
    if law == ENDS:
        text = "weibit reads its slope off the tail and has no temperature; weince decides for every anchor."
        return "weibit or weince", text + condition + caution
    return "weince", "Its gate decides for every anchor which link fits." + condition + caution


def _condition(found: FalseNegatives) -> str:
    """Say what a steeper link supposes of the negatives."""
    words = ""
    if found.num_duplicates > SOME * found.num_anchors:
        words += " Take the duplicates out first: a steeper link pushes hardest against them."
    if found.same_class is None:
        return words + " It supposes that the hardest negatives are true ones, which cannot be told without labels."
    if found.same_class > SOME:
        words += (
            f" For {found.same_class:.0%} of the anchors the hardest negative has their class: those it pushes too."
        )
    return words
