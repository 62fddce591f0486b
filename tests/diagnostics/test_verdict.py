import numpy as np
import pytest

from anchorwise.diagnostics.advice import which_objective, which_temperature
from anchorwise.diagnostics.draws import Draw
from anchorwise.diagnostics.false_negatives import FalseNegatives, true_negatives
from anchorwise.diagnostics.goodness import Goodness
from anchorwise.diagnostics.gradient import SHORTFALL, WEINCE, LinkReport, LinkShares
from anchorwise.diagnostics.law_answers import ENDLESS, ENDS, ENDS_FOR_SOME, NEITHER, ends_where, which_law
from anchorwise.diagnostics.pooled import PooledEstimate, ThresholdFit
from anchorwise.diagnostics.space import SpaceReport
from anchorwise.diagnostics.statements import INCONCLUSIVE, interval_text
from anchorwise.diagnostics.stream import Pairs, Tails
from anchorwise.diagnostics.verdict import give_verdict, uses_space

TRUE = FalseNegatives(400, 0, 0, 0.02)
UNKNOWN = FalseNegatives(400, 0, 0, None)
MOSTLY_FALSE = FalseNegatives(400, 0, 0, 0.99)
SPACE = SpaceReport(800, 8, 7.0, (1.0,), -2.0, None, None, (0.1,), None)


def around(value, half_width):
    return PooledEstimate(value, value - half_width, value + half_width)


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
    statement = which_law(draws, median_hardest=0.9, is_stable=True)
    assert statement.answer == answer
    assert statement.text
    assert statement.numbers


def test_far_from_the_ceiling_the_text_says_so():
    assert "still far from 1, at 0.40" in which_law([draw(0.8)] * 5, median_hardest=0.4, is_stable=True).text
    assert "still far" not in which_law([draw(0.8)] * 5, median_hardest=0.9, is_stable=True).text


@pytest.mark.parametrize(("last", "said"), [(0.01, True), (0.2, False)])
def test_where_neither_law_fits_in_any_draw_the_text_says_so(last, said):
    draws = [draw() for _ in range(3)]
    for one, shortfall in zip(draws, (0.002, 0.04, last), strict=True):
        object.__setattr__(one, "goodness", Goodness(0.002, shortfall, 500))
    assert ("neither law fits" in which_law(draws, median_hardest=0.9, is_stable=True).text) is said


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
    assert which_objective(law, links(blend), TRUE).answer == answer


@pytest.mark.parametrize(
    ("matched", "answer"),
    [
        ((0.10, 0.12), "about 0.11"),
        ((0.10, 0.20), INCONCLUSIVE),
        ((0.10, float("nan")), INCONCLUSIVE),
    ],
)
def test_a_temperature_is_named_only_if_all_batches_agree(matched, answer):
    assert which_temperature(links(matched=matched), TRUE).answer == answer


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        ([around(1.0, 0.02)] * 2, "at 1, as far as one can tell"),
        ([around(0.95, 0.02)] * 2, "below 1"),
        ([around(0.95, 0.02), around(1.0, 0.02)], INCONCLUSIVE),
        ([PooledEstimate(None, 1.1, None)] * 2, "no end in sight"),
        ([PooledEstimate(None, 0.97, None), around(1.0, 0.02)], "at 1, as far as one can tell"),
        ([around(0.85, 0.02)] * 2, INCONCLUSIVE),  # Harder negatives, at 0.9, were seen.
    ],
)
def test_an_end_is_named_only_if_every_draw_says_so(ends, answer):
    draws = [draw() for _ in ends]
    for one, end in zip(draws, ends, strict=True):
        object.__setattr__(one, "pooled", ThresholdFit(0.7, 500, around(-0.2, 0.1), end, around(0.05, 0.01)))
    assert ends_where(draws, largest=0.9, is_stable=True).answer == answer


def test_few_blocks_name_no_end():
    assert ends_where([draw(num_blocks=19)] * 2, largest=0.9, is_stable=True).answer == INCONCLUSIVE


@pytest.mark.parametrize(("rank", "answer"), [(247.0, "yes"), (20.0, "hardly")])
def test_few_items_cannot_fill_a_wide_space(rank, answer):
    space = SpaceReport(250, 3072, rank, (1.0,), -2.0, None, None, (0.1,), None)
    assert uses_space(space).answer == answer


def test_without_exceedances_there_is_no_end():
    short = Draw(400, 400, around(0.8, 0.05), around(0.06, 0.05), 5.0, 4.0, None, None)
    assert ends_where([short], largest=0.9, is_stable=True).answer == INCONCLUSIVE
    assert which_law([short] * 2, median_hardest=0.9, is_stable=True).answer == ENDS  # Anchors speak for themselves.


def test_intervals_are_written_with_open_ends():
    assert interval_text(PooledEstimate(1.0, 0.9, None), "{:.1f}") == "1.0 [0.9, none]"
    assert interval_text(PooledEstimate(None, None, None), "{:.1f}") == "none"


def tails(num_anchors=400):
    none = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    scores = np.full((num_anchors, 3), 0.9, np.float32)
    anchors, histogram = np.arange(num_anchors), np.zeros(5, np.int64)
    return Tails(anchors, scores, np.zeros((num_anchors, 3), np.int64), none, 1000, none, none, histogram)


def verdict_of(found, is_stable=True, law=0.8):
    return give_verdict(tails(), [draw(law)] * 5, links(), SPACE, found, is_stable)


def test_where_most_hardest_negatives_are_of_the_anchors_class_nothing_recommends_a_steeper_link():
    verdict = verdict_of(MOSTLY_FALSE)
    answers = {one.topic: one.answer for one in verdict.statements}
    assert answers["Law"] == ENDS
    assert answers["Objective"] == "sup_con, with the labels"
    assert answers["Temperature"].startswith("not below")
    assert answers["True negatives"] == "most are not, by the labels"
    assert "99% of the anchors" in verdict.headline
    assert "recommends no steeper link" in verdict.headline


def test_what_is_unknown_without_labels_is_said_to_be_unknown():
    verdict = verdict_of(UNKNOWN)
    answers = {one.topic: one for one in verdict.statements}
    assert answers["True negatives"].answer == "cannot be told without labels; no duplicate found"
    assert "cannot be told without labels" in verdict.headline
    assert answers["Objective"].answer == "weibit or weince"
    assert "supposes that the hardest negatives are true ones" in answers["Objective"].text


def test_with_labels_and_few_false_negatives_the_law_leads_without_a_condition():
    verdict = verdict_of(TRUE)
    assert "labels" not in verdict.headline
    assert "suppose" not in verdict.statements[1].text
    assert verdict.statements[4].answer == "2% have the anchor's class; no duplicate found"


@pytest.mark.parametrize(
    ("found", "condition"),
    [
        (FalseNegatives(400, 60, 0, 0.0), "Take the duplicates out first"),
        (FalseNegatives(400, 0, 0, 0.3), "For 30% of the anchors the hardest negative has their class"),
    ],
)
def test_a_recommendation_of_a_steeper_link_names_its_conditions(found, condition):
    assert condition in which_objective(ENDS, links(), found).text
    assert condition not in which_objective(ENDLESS, links(), found).text


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (FalseNegatives(400, 1, 0, None), "cannot be told without labels; some are duplicates"),
        (FalseNegatives(400, 0, 2, 0.1), "10% have the anchor's class; some are duplicates"),
    ],
)
def test_duplicates_are_named_beside_what_the_labels_say(found, answer):
    assert true_negatives(found).answer == answer


def test_a_pooled_tail_without_a_threshold_decides_nothing_and_the_verdict_says_so():
    verdict = verdict_of(TRUE, is_stable=False)
    assert "The pooled charts do not decide" in verdict.headline
    assert verdict.statements[3].answer == INCONCLUSIVE
    assert "No threshold met the rule" in verdict.statements[3].text


def test_a_pooled_tail_without_a_threshold_does_not_decide_the_law_either():
    endless = [draw(0.8, shape=0.2)] * 5
    assert which_law(endless, median_hardest=0.9, is_stable=True).answer == INCONCLUSIVE
    statement = which_law(endless, median_hardest=0.9, is_stable=False)
    assert statement.answer == ENDS
    assert "this rests on single anchors" in statement.text
