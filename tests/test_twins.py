"""The slow twins, checked on cases worked by hand before anything is checked against them."""

import math

import pytest

from tests import twins
from tests.twins import Batch, Exceedances


def test_info_nce_of_two_orthogonal_samples_with_identical_views():
    # T = 1: every anchor's candidates score 1 (positive), 0 and 0.
    eye = [[1.0, 0.0], [0.0, 1.0]]
    assert twins.info_nce(eye, eye, 1.0) == pytest.approx([math.log(math.e + 2) - 1] * 4)


def test_weibit_of_orthogonal_negatives_and_a_positive_at_sixty_degrees():
    # Shortfalls 0.5 (positive), 1 and 1 for the first anchor; exponent 2: weights 4, 1, 1.
    view0 = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    view1 = [[0.5, math.sqrt(0.75), 0.0], [0.0, 0.0, 1.0]]
    batch = Batch.of(view0, view1)
    assert twins.cross_entropy(batch, twins.weibit_link([2.0] * 4))[0] == pytest.approx(math.log(6 / 4))


def test_the_regression_of_an_exact_power_law_returns_its_exponent():
    k, exponent = 40, 3.0
    fit = twins.regressions([(r / (k + 1)) ** (1 / exponent) for r in range(1, k + 1)])
    assert (fit.slope, fit.r_squared, fit.num_points) == (pytest.approx(exponent), pytest.approx(1.0), 38)
    assert fit.delta_aic > 100


def test_the_published_tail_has_at_least_ten_points_where_there_are_so_many():
    assert twins.gate_tail_size(510, 0.1, 32) == 51
    assert twins.gate_tail_size(510, 0.001, 4) == 10
    assert twins.gate_tail_size(6, 0.1, 32) == 6


def test_hill_and_delta_aic_of_two_exceedances():
    # Shortfalls 1/e and 1/e^3 below a threshold shortfall of 1: alpha = 2 / (1 + 3).
    tail = Exceedances(1.0, [math.exp(-1), math.exp(-3)])
    mean = 1 - (math.exp(-1) + math.exp(-3)) / 2
    weibull = 2 * math.log(0.5) + 0.5 * 4
    assert tail.hill == pytest.approx(0.5)
    assert tail.delta_aic == pytest.approx(2 * (weibull - (-2 * math.log(mean) - 2)))


def test_the_tail_of_a_row_leaves_out_duplicates_and_ties_with_the_threshold():
    threshold, above = twins.row_tails.tail([0.5, 1.0, 0.7, math.nan, 0.5, 0.9, -math.inf, 0.1], 3)
    assert (threshold, above) == (0.5, [0.9, 0.7])


def test_pareto_moments_of_one_and_three():
    # Mean 2, variance 2: ratio 2, shape -1/2, scale 3. Smaller of the pair 1, half of it 1/2: shape 2 - 2 / 1 = 0.
    law, weighted = (
        twins.row_tails.pareto_of_moments([1.0, 3.0]),
        twins.row_tails.pareto_of_weighted_moments([1.0, 3.0]),
    )
    assert (law.shape, law.scale) == (pytest.approx(-0.5), pytest.approx(3.0))
    assert (weighted.shape, weighted.scale) == (pytest.approx(0.0), pytest.approx(2.0))


def test_a_pareto_law_of_shape_minus_one_is_uniform():
    assert twins.row_tails.Pareto(-1.0, 4.0).log_likelihood([1.0, 3.0]) == pytest.approx(-2 * math.log(4))
    assert twins.row_tails.Pareto(-1.0, 2.0).log_likelihood([1.0, 3.0]) == -math.inf


def test_aic_of_two_exceedances():
    # Mean 1/2, distance 1: exponential -2 log(1/2) - 2; shares 3/4 and 1/4: alpha = 2 / log(16/3).
    alpha = 2 / math.log(16 / 3)
    exponential, power = twins.row_tails.aic([0.25, 0.75], 1.0)
    assert exponential == pytest.approx(2 - 2 * (2 * math.log(2) - 2))
    assert power == pytest.approx(2 - 2 * (2 * math.log(alpha) + (alpha - 1) * math.log(3 / 16)))


def test_log_odds_of_two_candidates_is_the_logit_of_the_share():
    assert twins.row_tails.log_odds_of_mean([0.0, 1.0], 0.8) == pytest.approx(math.log(4))
