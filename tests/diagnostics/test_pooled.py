import numpy as np
import pytest

from anchorwise.diagnostics.pooled import (
    PooledEstimate,
    bootstrap_weights,
    choose_threshold,
    exceedances_above,
    fit_above,
    share_of,
)
from anchorwise.diagnostics.stream import Pairs, Tails


def pooled(scores, anchors):
    order = np.argsort(-scores)
    return Pairs(anchors[order], np.zeros(len(scores), np.int64), scores[order].astype(np.float32))


def power_scores(exponent, num=20_000, num_anchors=200, threshold=0.5, seed=0):
    """Independent scores above `threshold` whose shortfalls are powers with a known exponent."""
    rng = np.random.default_rng(seed)
    scores = 1.0 - (1.0 - threshold) * rng.random(num) ** (1.0 / exponent)
    return pooled(scores, np.arange(num) % num_anchors)


def test_shape_and_end_match_a_case_worked_by_hand():
    # Exceedances 1 and 3 of threshold 0: mean 2, variance 2, ratio 2; shape -1/2, scale 3, end 6.
    found = Pairs(np.arange(3), np.zeros(3, int), np.array([3.0, 1.0, 0.0], np.float32))
    fit = fit_above(found, np.arange(3), 2, np.ones((1, 3)))
    assert (fit.threshold, fit.num_exceedances) == (0.0, 2)
    assert (fit.mean_excess.value, fit.shape.value, fit.endpoint.value) == pytest.approx((2.0, -0.5, 6.0))


@pytest.mark.parametrize("exponent", [3.0, 8.0])
def test_a_known_tail_is_found_and_its_truth_lies_in_the_intervals(exponent):
    fit = fit_above(power_scores(exponent), np.arange(200), 15_000, bootstrap_weights(200, seed=0))
    assert fit.shape.low < -1 / exponent < fit.shape.high
    assert fit.endpoint.low < 1.0 < fit.endpoint.high
    # The moment estimate has a standard error of about 1 / sqrt(m) here; four of them.
    assert fit.shape.value == pytest.approx(-1 / exponent, abs=4 / np.sqrt(15_000))


def test_an_exponential_tail_has_no_bound_on_its_end():
    rng = np.random.default_rng(2)
    fit = fit_above(pooled(rng.exponential(0.02, 20_000), np.arange(20_000) % 200), np.arange(200), 15_000, WEIGHTS)
    assert fit.shape.low < 0.0 < fit.shape.high
    assert fit.endpoint.high is None


WEIGHTS = bootstrap_weights(200, seed=0)


def test_scores_that_move_together_have_wider_intervals():
    # Every anchor has 5 different scores, each 20 times: 1,000 facts that look like 20,000.
    rng = np.random.default_rng(3)
    scores = np.repeat(1.0 - 0.5 * rng.random(1000) ** (1 / 4.0), 20) + 1e-6 * rng.random(20_000)
    together, shuffled = (pooled(scores, one) for one in (np.arange(20_000) // 100, rng.permutation(20_000) % 200))
    widths = [
        fit.shape.high - fit.shape.low
        for fit in (fit_above(one, np.arange(200), 15_000, WEIGHTS) for one in (together, shuffled))
    ]
    assert widths[0] > 2.0 * widths[1]


def test_the_lowest_threshold_with_a_steady_shape_is_chosen():
    # A power tail above 0.5; below, ordinary scores that spoil any fit that reaches them.
    tail, rng = power_scores(4.0, num=6000), np.random.default_rng(5)
    body = pooled(rng.normal(0.2, 0.1, 20_000).clip(max=0.499), np.arange(20_000) % 200)
    both = pooled(np.r_[tail.scores, body.scores], np.r_[tail.anchors, body.anchors])
    choice = choose_threshold(both, np.arange(200), num_negatives=260_000, seed=0)
    assert choice.is_stable
    assert 0.48 < choice.fit.threshold < 0.9
    assert choice.fits[0].threshold < 0.3
    higher = choice.fits[choice.chosen + 1 :]
    assert higher
    assert all(one.shape.low <= choice.fit.shape.value <= one.shape.high for one in higher)


def test_exceedances_are_those_of_the_threshold_that_is_used():
    found = power_scores(4.0, num=1000)
    empty = Pairs(np.empty(0, int), np.empty(0, int), np.empty(0, np.float32))
    scores, keys = np.zeros((200, 2), np.float32), np.zeros((200, 2), int)
    tails = Tails(np.arange(200), scores, keys, found, 50_000, empty, empty, np.zeros(200, int))
    above = exceedances_above(tails, 300)
    assert above.threshold == found.scores[300]
    assert len(above.values) == 300
    assert above.values[0] == pytest.approx(found.scores[0] - found.scores[300])


def test_a_share_has_the_spread_of_its_blocks():
    is_so = np.repeat([True, False], 100)
    by_anchor = share_of(is_so, np.arange(200), WEIGHTS)
    by_class = share_of(is_so, np.arange(200) // 50, bootstrap_weights(4, seed=0))
    assert by_anchor.value == by_class.value == 0.5
    # Binomial: 1.96 sqrt(0.25 / 200) = 0.069.
    assert by_anchor.high - by_anchor.low == pytest.approx(2 * 0.069, rel=0.2)
    assert (by_class.low, by_class.high) == (0.0, 1.0)


def test_an_open_interval_is_above_but_never_below():
    ending, endless = PooledEstimate(0.9, 0.8, 0.99), PooledEstimate(None, 1.1, None)
    assert ending.is_below(1.0)
    assert not ending.is_above(0.8)
    assert endless.is_above(1.0)
    assert not endless.is_below(99.0)


@pytest.mark.parametrize("num_copies", [1, 10])
def test_intervals_hold_shape_and_end_as_often_as_they_say(num_copies):
    rng, num_held = np.random.default_rng(0), np.zeros(2)
    for _ in range(100):
        scores = np.repeat(1.0 - 0.5 * rng.random(4000 // num_copies) ** (1 / 4.0), num_copies)
        fit = fit_above(pooled(scores, np.arange(4000) // 20), np.arange(200), 2000, WEIGHTS)
        num_held += fit.shape.low <= -1 / 4.0 <= fit.shape.high, fit.endpoint.low <= 1.0 <= (fit.endpoint.high or 9.0)
    # Binomial: standard error 2.2 %; three of them below 95 %.
    assert num_held.min() >= 88
