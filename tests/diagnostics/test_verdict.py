import numpy as np
import pytest

from anchorwise.diagnostics.draws import Draw
from anchorwise.diagnostics.goodness import Goodness
from anchorwise.diagnostics.gradient import SHORTFALL, WEINCE, LinkReport, LinkShares
from anchorwise.diagnostics.pooled import Estimate, ThresholdFit
from anchorwise.diagnostics.space import SpaceReport
from anchorwise.diagnostics.verdict import (
    ENDLESS,
    ENDS,
    ENDS_FOR_SOME,
    INCONCLUSIVE,
    NEITHER,
    ends_where,
    interval_text,
    uses_space,
    which_law,
    which_objective,
    which_temperature,
)


def around(value, half_width):
    return Estimate(value, value - half_width, value + half_width)


def draw(rejecting=0.8, half_width=0.05, shape=-0.2, num_blocks=400, refusing=0.06):
    return Draw(
        num_anchors=400,
        num_blocks=num_blocks,
        rejecting=around(rejecting, half_width),
        refusing=around(refusing, 0.05),
        delta_aic=5.0,
        exponent=4.0,
        pooled=ThresholdFit(0.7, 500, around(shape, 0.05), around(1.0, 0.02), around(0.05, 0.01)),
        goodness=None,
    )


def links(blend=(0.9, 0.95), matched=(0.1, 0.11)):
    shares = LinkShares((0.6, 0.4), (2.0, 2.0))
    return LinkReport(510, {SHORTFALL: shares, WEINCE: shares}, (4.0, 4.1), {1: (0.05, 0.06)}, matched, blend)


@pytest.mark.parametrize(
    ("draws", "answer"),
    [
        ([draw(0.8)] * 5, ENDS),
        ([draw(0.3)] * 5, ENDS_FOR_SOME),
        ([draw(0.8)] * 4 + [draw(0.3)], ENDS_FOR_SOME),  # All draws must hold what is said.
        ([draw(0.06)] * 5, ENDLESS),
        ([draw(0.8)] * 4 + [draw(0.06)], INCONCLUSIVE),
        ([draw(0.12, 0.1)] * 5, INCONCLUSIVE),  # The intervals reach from nothing to a fifth.
        ([draw(0.14, 0.05)] * 5, INCONCLUSIVE),  # Too many for chance, too few for some.
        ([draw(0.06, 0.15)] * 5, INCONCLUSIVE),
        ([draw(0.8)] * 4 + [draw(0.8, shape=0.2)], INCONCLUSIVE),  # A pooled tail without an end contradicts.
        ([draw(0.8)] * 4 + [draw(0.8, num_blocks=19)], INCONCLUSIVE),
        ([draw(0.8, refusing=0.7)] * 5, NEITHER),
        ([draw(0.8)] * 4 + [draw(0.8, refusing=0.7)], INCONCLUSIVE),
    ],
)
def test_a_law_is_named_only_if_every_draw_says_so(draws, answer):
    statement = which_law(draws, median_hardest=0.9)
    assert statement.answer == answer
    assert statement.text
    assert statement.numbers


def test_far_from_the_ceiling_the_text_says_so():
    assert "still far from 1, at 0.40" in which_law([draw(0.8)] * 5, median_hardest=0.4).text
    assert "still far" not in which_law([draw(0.8)] * 5, median_hardest=0.9).text


@pytest.mark.parametrize(("last", "said"), [(0.01, True), (0.2, False)])
def test_where_neither_law_fits_in_any_draw_the_text_says_so(last, said):
    draws = [draw() for _ in range(3)]
    for one, shortfall in zip(draws, (0.002, 0.04, last), strict=True):
        object.__setattr__(one, "goodness", Goodness(0.002, shortfall, 500))
    assert ("neither law fits" in which_law(draws, median_hardest=0.9).text) is said


@pytest.mark.parametrize(
    ("law", "blend", "answer"),
    [
        (ENDS, (0.9, 0.95), "weibit or weince"),
        (ENDS_FOR_SOME, (0.9, 0.95), "weince"),
        (ENDS, (0.1, 0.2), "info_nce, or weince with large batches"),
        (ENDS, (0.3, 0.7), INCONCLUSIVE),
        (ENDLESS, (0.1, 0.2), "info_nce"),
        (INCONCLUSIVE, (0.9, 0.95), INCONCLUSIVE),
        (NEITHER, (0.9, 0.95), INCONCLUSIVE),
    ],
)
def test_an_objective_is_named_by_the_law_and_by_what_batches_show(law, blend, answer):
    assert which_objective(law, links(blend)).answer == answer


@pytest.mark.parametrize(
    ("matched", "answer"),
    [
        ((0.10, 0.12), "about 0.11"),
        ((0.10, 0.20), INCONCLUSIVE),
        ((0.10, float("nan")), INCONCLUSIVE),
    ],
)
def test_a_temperature_is_named_only_if_all_batches_agree(matched, answer):
    assert which_temperature(links(matched=matched)).answer == answer


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        ([around(1.0, 0.02)] * 2, "at 1, as far as one can tell"),
        ([around(0.95, 0.02)] * 2, "below 1"),
        ([around(0.95, 0.02), around(1.0, 0.02)], INCONCLUSIVE),
        ([Estimate(None, 1.1, None)] * 2, "no end in sight"),
        ([Estimate(None, 0.97, None), around(1.0, 0.02)], "at 1, as far as one can tell"),
        ([around(0.85, 0.02)] * 2, INCONCLUSIVE),  # Harder negatives, at 0.9, were seen.
    ],
)
def test_an_end_is_named_only_if_every_draw_says_so(ends, answer):
    draws = [draw() for _ in ends]
    for one, end in zip(draws, ends, strict=True):
        object.__setattr__(one, "pooled", ThresholdFit(0.7, 500, around(-0.2, 0.1), end, around(0.05, 0.01)))
    assert ends_where(draws, largest=0.9).answer == answer


def test_few_blocks_name_no_end():
    assert ends_where([draw(num_blocks=19)] * 2, largest=0.9).answer == INCONCLUSIVE


@pytest.mark.parametrize(("rank", "answer"), [(247.0, "yes"), (20.0, "hardly")])
def test_few_items_cannot_fill_a_wide_space(rank, answer):
    space = SpaceReport(250, 3072, rank, (1.0,), -2.0, None, None, (0.1,), None)
    assert uses_space(space).answer == answer


def test_without_exceedances_there_is_no_end():
    short = Draw(400, 400, around(0.8, 0.05), around(0.06, 0.05), 5.0, 4.0, None, None)
    assert ends_where([short], largest=0.9).answer == INCONCLUSIVE
    assert which_law([short] * 2, median_hardest=np.float64(0.9)).answer == ENDS  # Anchors speak for themselves.


def test_intervals_are_written_with_open_ends():
    assert interval_text(Estimate(1.0, 0.9, None), "{:.1f}") == "1.0 [0.9, none]"
    assert interval_text(Estimate(None, None, None), "{:.1f}") == "none"
