import math

import numpy as np
import pytest
from scipy import stats

from anchorwise.comparison.tables import between
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.statistics import normal_interval, seed_intervals, t_interval, wilson_interval


def test_the_interval_matches_a_hand_worked_case():
    # Mean 2, standard deviation 1, t(2 degrees, 97.5 %) = 4.302653: half width 4.302653 / sqrt(3).
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_the_interval_equals_scipys():
    values = [0.51, 0.49, 0.55, 0.5, 0.47]
    twin = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    interval = t_interval(values, level=0.9)
    assert interval.mean - interval.half_width == pytest.approx(twin.low, rel=1e-12)
    assert interval.mean + interval.half_width == pytest.approx(twin.high, rel=1e-12)


def test_one_value_has_no_spread():
    assert t_interval([0.5]).half_width is None


def test_no_value_and_an_impossible_level_are_refused():
    with pytest.raises(ValueError, match="values must hold at least one number, got none"):
        t_interval([])
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        t_interval([0.5, 0.6], level=95.0)


def test_the_interval_of_a_share_is_wilsons():
    # Worked by hand: 8 of 10 at z = 1.959964: middle (0.8 + 3.8415 / 20) / 1.38415 = 0.71674,
    # half width 1.959964 / 1.38415 * sqrt(0.016 + 3.8415 / 400) = 0.22653.
    interval = wilson_interval(0.8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.49016, 0.94332), abs=1e-4)
    assert (interval.value, interval.num_rows, interval.level) == (0.8, 10, 0.95)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_interval_of_no_or_all_rows_is_no_point(share):
    interval = wilson_interval(share, 50)
    assert interval.low <= share <= interval.high
    assert interval.high - interval.low == pytest.approx(3.8415 / (50 + 3.8415), abs=1e-4)


def test_the_interval_of_a_share_covers_the_truth_as_often_as_it_says():
    shares = np.random.default_rng(0).binomial(400, 0.25, size=2000) / 400
    covered = [one.low <= 0.25 <= one.high for one in (wilson_interval(float(share), 400) for share in shares)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)  # Three standard errors.


def test_an_interval_is_shown_as_far_as_the_number_goes_and_no_further():
    share, twice = Metric("share", "share", "%", digits=1), np.array([0.25, 0.75])
    few = normal_interval(0.75, 0.25, 4)
    assert few.high == pytest.approx(1.24, abs=1e-3)  # As kept.
    assert share.brackets(few.value, few.low, few.high) == "[26.0, 100.0]"
    assert share.brackets(0.5, -2.0, 3.0, is_difference=True) == "[-100.0, 100.0]"
    assert between(share, seed_intervals(twice, level=0.95)).endswith("[\N{MINUS SIGN}100.0, 100.0]")
    assert Metric("rank", "rank").brackets(1.0, -2.0, 4.0) == "[-2.00, 4.00]"
    assert Metric("r2", "R2", bounds=(-math.inf, 1.0)).brackets(0.5, -2.0, 3.0) == "[-2.00, 1.00]"
    assert share.within(1.1, 1.0, 1.2) == (1.0, 1.1)  # Somebody's own number beyond its unit stays inside.
