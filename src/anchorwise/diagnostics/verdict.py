"""What follows, in plain words, with the numbers it rests on: only what every draw of anchors says alike."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anchorwise.diagnostics.anchors import AnchorReadings
from anchorwise.diagnostics.draws import MIN_BLOCKS, Draw
from anchorwise.diagnostics.gradient import SHORTFALL, WEINCE, LinkReport
from anchorwise.diagnostics.pooled import Estimate
from anchorwise.diagnostics.rows import Rows
from anchorwise.diagnostics.space import SpaceReport
from anchorwise.diagnostics.stream import Tails

INCONCLUSIVE, ENDLESS, NEITHER = "inconclusive", "one without an end", "neither of the two"
ENDS, ENDS_FOR_SOME = "one that ends at 1", "one that ends at 1, for some anchors"
FAR = 0.3  # Median shortfall of the hardest negative beyond which nobody would speak of a ceiling.
MOST, SOME = 0.5, 0.1  # Shares of anchors that reject the exponential law; 0.05 would by chance.
STEADY = 1.25  # Largest over smallest temperature of the batches, up to which one temperature is named.
COLLAPSED = 0.1  # Share of the largest effective rank there can be, below which the space counts as hardly used.
TOO_FEW = (
    f"A draw has only {{num_blocks}} items or classes with a readable tail, and needs {MIN_BLOCKS}. Embed more of them."
)


@dataclass(frozen=True)
class Statement:
    """An answer to one question.

    Attributes:
        question: In plain words.
        answer: In one word or a few; "inconclusive" where the draws do not agree or are too small.
        text: What it means and what to do.
        numbers: What it rests on, as text by name.
    """

    question: str
    answer: str
    text: str
    numbers: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """All statements; the first is the one that the page leads with."""

    statements: Sequence[Statement]

    @property
    def headline(self) -> str:
        """The first answer and what to do about it."""
        return f"{self.statements[0].question} {self.statements[0].answer.capitalize()}. {self.statements[0].text}"


def give_verdict(
    rows: Rows, tails: Tails, readings: AnchorReadings, draws: Sequence[Draw], links: LinkReport, space: SpaceReport
) -> Verdict:
    """Return the verdict."""
    hardest = tails.scores[:, 0]
    law = which_law(draws, float(np.median(hardest)))
    return Verdict(
        [
            law,
            which_objective(law.answer, links),
            which_temperature(links),
            ends_where(draws, float(hardest.max())),
            true_negatives(rows, tails, readings),
            uses_space(space),
        ]
    )


def which_law(draws: Sequence[Draw], median_hardest: float) -> Statement:
    """Say whether the hardest negatives follow a law that ends at 1 rather than one without an end."""
    question = "Which law do the hardest negatives follow?"
    numbers = {
        "anchors that reject the law without an end, by draw (5 % would by chance)": _by_draw(
            [one.rejecting for one in draws], "{:.0%}"
        ),
        "anchors that reject both laws, by draw (up to 5 % would by chance)": _by_draw(
            [one.refusing for one in draws], "{:.0%}"
        ),
        "lead of the law that ends at 1 (difference of AIC, median), by draw": ", ".join(
            f"{one.delta_aic:+.1f}" for one in draws
        ),
        "shape of the pooled tail (below 0: it ends), by draw": _by_draw([_shape(one) for one in draws], "{:+.2f}"),
        "cosine of the hardest negative, median": f"{median_hardest:.3f}",
    }
    answer, text = _law_of(draws)
    if answer in (ENDS, ENDS_FOR_SOME) and median_hardest < 1.0 - FAR:
        text += (
            f" They are still far from 1, at {median_hardest:.2f}: what shows is that they thin out faster and faster, "
            "not a wall."
        )
    if _all(draws, lambda one: one.goodness is not None and one.goodness.refuses_both):
        text += " Pooled over anchors neither law fits: their tails differ from each other."
    return Statement(question, answer, text, numbers)


def _law_of(draws: Sequence[Draw]) -> tuple[str, str]:
    if _fewest_blocks(draws) < MIN_BLOCKS:
        return INCONCLUSIVE, TOO_FEW.format(num_blocks=_fewest_blocks(draws))
    if _all(draws, lambda one: one.refusing.is_above(MOST)):
        return NEITHER, (
            "For most anchors the hardest negatives follow neither a power of the distance to 1 nor an exponential "
            "law: they may end earlier, or what was taken as the tail reaches beyond a cluster. Look at fewer of them "
            "(num_tail), and at the duplicates and classes below."
        )
    if any(one.refusing.is_above(MOST) for one in draws):
        return INCONCLUSIVE, "The draws differ in whether any of the two laws fits."
    unbounded = any(_shape(one).is_above(0.0) for one in draws)
    if _all(draws, lambda one: one.rejecting.is_above(MOST)) and not unbounded:
        return ENDS, (
            "For most anchors a power of the distance to 1, the shortfall law behind WEINCE, describes the hardest "
            "negatives clearly better than the exponential law behind softmax."
        )
    if _all(draws, lambda one: one.rejecting.is_above(SOME)) and not unbounded:
        return ENDS_FOR_SOME, (
            "For some anchors the shortfall law behind WEINCE, a power of the distance to 1, is clearly better than "
            "the exponential law behind softmax; for the others both fit alike."
        )
    if _all(draws, lambda one: (one.rejecting.value or 0.0) <= SOME and one.rejecting.is_below(2 * SOME)):
        return ENDLESS, (
            "Hardly more anchors than chance would give prefer a law that ends at 1. At this depth the exponential law "
            "behind softmax has the right form."
        )
    if unbounded:
        return INCONCLUSIVE, "Single anchors look bounded, but the pooled tail does not: anchors differ too much."
    return INCONCLUSIVE, "The draws differ in it. More anchors (num_anchors) or more embeddings may settle it."


def ends_where(draws: Sequence[Draw], largest: float) -> Statement:
    """Say where a law that may end anywhere ends."""
    question = "Where do they end, if a law may end anywhere?"
    ends = [Estimate(None, None, None) if one.pooled is None else one.pooled.endpoint for one in draws]
    numbers = {"end with 95 % interval, by draw": _by_draw(ends, "{:.3f}"), "hardest cosine seen": f"{largest:.4f}"}
    if _fewest_blocks(draws) < MIN_BLOCKS:
        return Statement(question, INCONCLUSIVE, TOO_FEW.format(num_blocks=_fewest_blocks(draws)), numbers)
    if any(one.pooled is None for one in draws):
        return Statement(question, INCONCLUSIVE, "Too few scores are above the threshold in a draw.", numbers)
    if any(end.is_below(largest) for end in ends):
        text = "Harder negatives were seen than a single law would allow: anchors differ too much to pool their ends."
        return Statement(question, INCONCLUSIVE, text, numbers)
    if _all(ends, lambda end: end.is_below(1.0)):
        text = (
            "At the depth that was seen, the pooled tail bends as if it ended before 1. That is an extrapolation "
            "beyond the hardest negative. WEINCE and Weibit take another end as their argument endpoint."
        )
        return Statement(question, "below 1", text, numbers)
    if _all(ends, lambda end: end.low is not None and end.low <= 1.0 and (end.high is None or end.high >= 1.0)):
        return Statement(question, "at 1, as far as one can tell", "Every interval contains 1.", numbers)
    if _all(ends, lambda end: end.low is None or end.low > 1.0):
        text = "The fitted end lies beyond 1, where no cosine can be: at this depth the tail does not see its end yet."
        return Statement(question, "no end in sight", text, numbers)
    return Statement(question, INCONCLUSIVE, "The draws of anchors differ in it.", numbers)


def which_temperature(links: LinkReport) -> Statement:
    """Say which softmax temperature comes nearest to the shortfall link with the tail's own exponent."""
    question = "Which temperature makes softmax look at as many negatives as the tail suggests?"
    found = links.matched_temperature
    numbers = {
        "temperature of equal effective negatives, by batch": ", ".join(f"{one:.3f}" for one in found),
        "exponent of the tail, by batch": ", ".join(f"{one:.1f}" for one in links.exponents),
        **{
            f"temperature as steep as the shortfall link at rank {rank}": f"{np.median(values):.3f}"
            for rank, values in links.slope_temperature.items()
        },
    }
    if not all(map(math.isfinite, found)) or max(found) > STEADY * min(found):
        text = "The batches differ too much in it, or no temperature does. Larger batches (batch_size) may settle it."
        return Statement(question, INCONCLUSIVE, text, numbers)
    middle = float(np.median(found))
    text = (
        f"At about {middle:.2g}, softmax spreads its gradient over as many negatives as the shortfall link does. It is "
        "a place to start a search, not a tuned value: try half and twice of it too."
    )
    return Statement(question, f"about {middle:.2g}", text, numbers)


def which_objective(law: str, links: LinkReport) -> Statement:
    """Say which objective to try first."""
    question = "Which objective is worth trying first?"
    numbers = {
        f"share of the shortfall link in WEINCE, with {links.num_negatives} negatives, by batch": ", ".join(
            f"{one:.0%}" for one in links.blend
        ),
        "effective negatives, shortfall link": f"{np.median(links.shares[SHORTFALL].effective_negatives):.0f}",
        "effective negatives, WEINCE": f"{np.median(links.shares[WEINCE].effective_negatives):.0f}",
    }
    if law in (INCONCLUSIVE, NEITHER):
        return Statement(question, INCONCLUSIVE, "It follows from the law, which is open.", numbers)
    caution = " A tail says which link fits the scores, not which features are better: train both and compare."
    if law == ENDLESS:
        text = "Softmax has the right form; its temperature is what there is to tune."
        return Statement(question, "info_nce", text + caution, numbers)
    if max(links.blend) < MOST:
        text = (
            f"All rows together show the law, but a batch with {links.num_negatives} negatives hardly does, and a loss "
            "sees no more than that: WEINCE would mostly act as InfoNCE. Tune the temperature; larger batches show "
            "more."
        )
        return Statement(question, "info_nce, or weince with large batches", text + caution, numbers)
    if min(links.blend) < MOST:
        return Statement(question, INCONCLUSIVE, "The batches differ in how far they show the law." + caution, numbers)
    if law == ENDS:
        text = "weibit reads its slope off the tail and has no temperature; weince decides for every anchor."
        return Statement(question, "weibit or weince", text + caution, numbers)
    text = "Its gate decides for every anchor which link fits."
    return Statement(question, "weince", text + caution, numbers)


def true_negatives(rows: Rows, tails: Tails, readings: AnchorReadings) -> Statement:
    """Say how many anchors have negatives that are none."""
    question = "Are some of the hardest negatives not negatives at all?"
    num_anchors = len(tails.anchors)
    num_exact, num_likely = len(np.unique(tails.duplicates.anchors)), int(readings.is_outlier.sum())
    numbers = {
        "anchors with an exact duplicate": f"{num_exact} of {num_anchors}",
        "anchors with a likely duplicate (far nearer than the rest of their tail)": f"{num_likely} of {num_anchors}",
    }
    same = 0.0
    if rows.labels is not None:
        hardest = rows.labels[tails.keys[:, 0] % rows.num_items]
        same = float((hardest == rows.labels[tails.anchors % rows.num_items]).mean())
        numbers["anchors whose hardest negative has their class"] = f"{same:.0%}"
    if same > MOST:
        text = (
            "For most anchors the hardest negative has their own class, so what is pushed hardest belongs together. "
            "Use the labels (sup_con), or mind that a steeper link makes it worse."
        )
        return Statement(question, "yes, by the labels", text, numbers)
    if num_exact + num_likely == 0:
        return Statement(question, "no duplicate found", "Among the sampled anchors there is none.", numbers)
    text = (
        "They are named below. The shortfall link pushes hardest against what is nearest: take duplicates out of the "
        "data, or give rows that show the same thing one id."
    )
    return Statement(question, "yes", text, numbers)


def uses_space(space: SpaceReport) -> Statement:
    """Say whether the embeddings fill their space."""
    question = "Do the embeddings use their space?"
    numbers = {
        "effective rank": f"{space.effective_rank:.1f} of {space.width}",
        "length of the mean direction (1: all rows point one way)": ", ".join(
            f"{one:.2f}" for one in space.mean_resultant
        ),
    }
    if space.effective_rank < COLLAPSED * min(space.width, space.num_items):
        text = "Most directions are hardly used: look at the spectrum below, at the projection head and the batch size."
        return Statement(question, "hardly", text, numbers)
    return Statement(question, "yes", "No sign of collapse.", numbers)


def _all(items: Sequence, holds: Callable[..., bool]) -> bool:
    return all(holds(item) for item in items)


def _fewest_blocks(draws: Sequence[Draw]) -> int:
    return min(one.num_blocks for one in draws)


def _shape(draw: Draw) -> Estimate:
    return Estimate(None, None, None) if draw.pooled is None else draw.pooled.shape


def _by_draw(estimates: Sequence[Estimate], form: str) -> str:
    return ", ".join(interval_text(one, form) for one in estimates)


def interval_text(estimate: Estimate, form: str) -> str:
    """Return an estimate with its interval as text; a missing bound is "none"."""
    if estimate.value is None and estimate.low is None:
        return "none"
    value, low, high = (
        "none" if one is None else form.format(one) for one in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"
