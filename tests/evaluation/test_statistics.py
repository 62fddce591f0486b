import pytest
from scipy import stats

from anchorwise.evaluation.statistics import t_interval


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
