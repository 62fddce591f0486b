"""Which law the hardest negatives follow and where they end: only what every draw of anchors says alike."""

from collections.abc import Callable, Sequence

from anchorwise.diagnostics.draws import MIN_BLOCKS, Draw
from anchorwise.diagnostics.pooled import PooledEstimate
from anchorwise.diagnostics.statements import INCONCLUSIVE, MOST, SOME, Statement, by_draw

ENDLESS, NEITHER = "one without an end", "neither of the two"
ENDS, ENDS_FOR_SOME = "one that ends at 1", "one that ends at 1, for some anchors"
FAR = 0.3  # Median shortfall of the hardest negative beyond which nobody would speak of a ceiling.
TOO_FEW = (
    f"A draw has only {{num_blocks}} items or classes with a readable tail, and needs {MIN_BLOCKS}. Embed more of them."
)
# By chance 5 % of the anchors reject the exponential law; SOME and MOST are shares that do.


def which_law(draws: Sequence[Draw], median_hardest: float, is_stable: bool) -> Statement:
    """Say whether the hardest negatives follow a law that ends at 1 rather than one without an end."""
    question = "Which law do the hardest negatives follow?"
    numbers = {
        "anchors that reject the law without an end, by draw (5 % would by chance)": by_draw(
            [one.rejecting for one in draws], "{:.0%}"
        ),
        "anchors that reject both laws, by draw (up to 5 % would by chance)": by_draw(
            [one.refusing for one in draws], "{:.0%}"
        ),
        "lead of the law that ends at 1 (difference of AIC, median), by draw": ", ".join(
            f"{one.delta_aic:+.1f}" for one in draws
        ),
        "shape of the pooled tail (below 0: it ends), by draw": by_draw([_shape(one) for one in draws], "{:+.2f}"),
        "cosine of the hardest negative, median": f"{median_hardest:.3f}",
    }
    answer, text = _law_of(draws, is_stable)
    if answer in (ENDS, ENDS_FOR_SOME) and median_hardest < 1.0 - FAR:
        text += (
            f" They are still far from 1, at {median_hardest:.2f}: what shows is that they thin out faster and faster, "
            "not a wall."
        )
    if _all(draws, lambda one: one.goodness is not None and one.goodness.refuses_both):
        text += " Pooled over anchors neither law fits: their tails differ from each other."
    if not is_stable:
        text += " The pooled charts do not decide, since no threshold met their rule: this rests on single anchors."
    return Statement("Law", question, answer, text, numbers)


def _law_of(draws: Sequence[Draw], is_stable: bool) -> tuple[str, str]:
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
    unbounded = is_stable and any(_shape(one).is_above(0.0) for one in draws)
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


def ends_where(draws: Sequence[Draw], largest: float, is_stable: bool) -> Statement:
    """Say where a law that may end anywhere ends."""
    answer, text = _end_of(draws, largest, is_stable)
    numbers = {
        "end with 95 % interval, by draw": by_draw(_ends(draws), "{:.3f}"),
        "hardest cosine seen": f"{largest:.4f}",
    }
    return Statement("End", "Where do they end, if a law may end anywhere?", answer, text, numbers)


def _end_of(draws: Sequence[Draw], largest: float, is_stable: bool) -> tuple[str, str]:
    if _fewest_blocks(draws) < MIN_BLOCKS:
        return INCONCLUSIVE, TOO_FEW.format(num_blocks=_fewest_blocks(draws))
    if any(one.pooled is None for one in draws):
        return INCONCLUSIVE, "Too few scores are above the threshold in a draw."
    if not is_stable:
        return INCONCLUSIVE, "No threshold met the rule: the fitted shape moves up to the highest one, and its end too."
    ends = _ends(draws)
    if any(end.is_below(largest) for end in ends):
        return INCONCLUSIVE, (
            "Harder negatives were seen than a single law would allow: anchors differ too much to pool their ends."
        )
    if _all(ends, lambda end: end.is_below(1.0)):
        return "below 1", (
            "At the depth that was seen, the pooled tail bends as if it ended before 1. That is an extrapolation "
            "beyond the hardest negative. WEINCE and Weibit take another end as their argument endpoint."
        )
    if _all(ends, lambda end: end.low is not None and end.low <= 1.0 and (end.high is None or end.high >= 1.0)):
        return "at 1, as far as one can tell", "Every interval contains 1."
    if _all(ends, lambda end: end.low is None or end.low > 1.0):
        return "no end in sight", (
            "The fitted end lies beyond 1, where no cosine can be: at this depth the tail does not see its end yet."
        )
    return INCONCLUSIVE, "The draws of anchors differ in it."


def _all(items: Sequence, holds: Callable[..., bool]) -> bool:
    return all(holds(item) for item in items)


def _fewest_blocks(draws: Sequence[Draw]) -> int:
    return min(one.num_blocks for one in draws)


def _ends(draws: Sequence[Draw]) -> list[PooledEstimate]:
    return [PooledEstimate(None, None, None) if one.pooled is None else one.pooled.endpoint for one in draws]


def _shape(draw: Draw) -> PooledEstimate:
    return PooledEstimate(None, None, None) if draw.pooled is None else draw.pooled.shape
