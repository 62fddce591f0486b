"""The statistics on simulated studies whose true differences are known."""

import math

import numpy as np
import pytest
from scipy import stats

from anchorwise.comparison.statistics import seeds_needed
from anchorwise.comparison.verdict import Decision, decide
from anchorwise.evaluation.statistics import seed_intervals, t_quantile

NUM_STUDIES = 40_000
LEVEL = 0.95


def _simulated(num_seeds: int, differences: np.ndarray) -> np.ndarray:
    """Return accuracies of shape (studies, objectives, seeds); objective 0 is the baseline.

    A seed moves all objectives alike, and objectives spread differently, as trainings do.
    """
    rng = np.random.default_rng(20_261)
    num_objectives = len(differences)
    common = rng.normal(0.0, 0.005, (NUM_STUDIES, 1, num_seeds))
    spreads = np.linspace(0.002, 0.006, num_objectives)[:, None]
    own = rng.normal(0.0, 1.0, (NUM_STUDIES, num_objectives, num_seeds)) * spreads
    return 0.5 + differences[:, None] + common + own


def _monte_carlo_error(share: float) -> float:
    return math.sqrt(share * (1 - share) / NUM_STUDIES)


@pytest.mark.parametrize("num_seeds", [2, 3, 5, 10])
def test_plain_intervals_cover_the_truth_as_often_as_they_say(num_seeds: int):
    truth = np.array([0.0, 0.01])
    accuracies = _simulated(num_seeds, truth)
    for values, true in ((accuracies[:, 1], 0.51), (accuracies[:, 1] - accuracies[:, 0], 0.01)):
        interval = seed_intervals(values, level=LEVEL)
        coverage = float(((interval.low <= true) & (true <= interval.high)).mean())
        error = 4 * _monte_carlo_error(LEVEL)  # 0.0044: a right procedure fails once in 16,000 runs of the test.
        assert abs(coverage - LEVEL) < error, f"{coverage:.4f} +- {_monte_carlo_error(coverage):.4f}"
        assert coverage - error >= 0.93
        assert coverage + error <= 0.97


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
@pytest.mark.parametrize("num_others", [1, 4, 11])
def test_any_false_better_is_rarer_than_one_study_in_twenty(num_seeds: int, num_others: int):
    accuracies = _simulated(num_seeds, np.zeros(num_others + 1))
    differences = accuracies[:, 1:] - accuracies[:, :1]
    interval = seed_intervals(differences, level=LEVEL, num_comparisons=num_others)
    outcomes = decide(interval.low, interval.high, 0.01)
    better = float((outcomes == Decision.BETTER).any(axis=1).mean())
    either = float(np.isin(outcomes, [Decision.BETTER, Decision.WORSE]).any(axis=1).mean())
    assert better + 4 * _monte_carlo_error(better) <= 0.05, f"{better:.4f} +- {_monte_carlo_error(better):.4f}"
    assert either - 4 * _monte_carlo_error(either) <= 0.05, f"{either:.4f} +- {_monte_carlo_error(either):.4f}"


def test_without_the_correction_false_betters_would_pile_up():
    # The guard of the test above: it can see a procedure that does not correct.
    accuracies = _simulated(5, np.zeros(12))
    interval = seed_intervals(accuracies[:, 1:] - accuracies[:, :1], level=LEVEL)
    assert float((interval.low > 0).any(axis=1).mean()) > 0.07


def test_a_true_difference_is_found_and_its_simultaneous_intervals_cover_together():
    truth = np.array([0.0, 0.0, 0.02, -0.02])
    accuracies = _simulated(5, truth)
    interval = seed_intervals(accuracies[:, 1:] - accuracies[:, :1], level=LEVEL, num_comparisons=3)
    covered = ((interval.low <= truth[1:]) & (truth[1:] <= interval.high)).all(axis=1).mean()
    assert covered + 4 * _monte_carlo_error(LEVEL) >= LEVEL
    outcomes = decide(interval.low, interval.high, 0.01)
    assert float((outcomes[:, 1] == Decision.BETTER).mean()) > 0.5
    assert float((outcomes[:, 1] == Decision.WORSE).mean()) < 1e-3


def test_the_number_of_seeds_asked_for_decides_about_half_of_the_time():
    # It holds mean and deviation fixed, and the mean to come is above or below with probability one half.
    mean, deviation = 0.004, 0.006
    needed = seeds_needed(mean, deviation, level=LEVEL, num_comparisons=4, smallest_difference=0.005)
    assert needed is not None
    values = np.random.default_rng(3).normal(mean, deviation, (NUM_STUDIES, needed))
    interval = seed_intervals(values, level=LEVEL, num_comparisons=4)
    decided = float((decide(interval.low, interval.high, 0.005) != Decision.UNDECIDED).mean())
    assert 0.4 < decided < 0.75


@pytest.mark.whole
def test_adding_seeds_once_as_asked_keeps_false_betters_rare():
    # Looking twice costs something: 2.5 % of studies become 3.3 %. Looking until a verdict comes out costs more.
    num_others, first, most, margin = 5, 5, 40, 0.01
    accuracies = _simulated(most, np.zeros(num_others + 1))
    differences = accuracies[:, 1:] - accuracies[:, :1]
    interval = seed_intervals(differences[..., :first], level=LEVEL, num_comparisons=num_others)
    outcomes = decide(interval.low, interval.high, margin)
    seeds = np.arange(first + 1, most + 1)
    half_widths = (t_quantile(LEVEL, num_others, seeds) / np.sqrt(seeds)) * interval.deviation[..., None]
    deciding = half_widths < np.maximum(abs(interval.mean), margin - abs(interval.mean))[..., None]
    asked = np.where(deciding.any(axis=-1), seeds[deciding.argmax(axis=-1)], most)
    better = outcomes == Decision.BETTER
    for num_seeds in seeds:
        longer = seed_intervals(differences[..., :num_seeds], level=LEVEL, num_comparisons=num_others)
        better |= (asked == num_seeds) & (outcomes == Decision.UNDECIDED) & (longer.low > 0)
    share = float(better.any(axis=1).mean())
    assert share + 4 * _monte_carlo_error(share) <= 0.05, f"{share:.4f} +- {_monte_carlo_error(share):.4f}"


def test_the_interval_equals_scipys():
    values = np.array([[0.51, 0.49, 0.55, 0.5, 0.47], [0.1, 0.2, 0.3, 0.4, 0.6]])
    twin = stats.ttest_1samp(values, 0.0, axis=-1).confidence_interval(1 - 0.05 / 7)
    interval = seed_intervals(values, level=0.95, num_comparisons=7)
    np.testing.assert_allclose(interval.low, twin.low, rtol=1e-12)
    np.testing.assert_allclose(interval.high, twin.high, rtol=1e-12)


def test_seeds_needed_matches_a_hand_worked_case():
    # Mean 0.5 and deviation 1 without a margin: t(17, 97.5 %) / sqrt(18) = 0.4973, t(16) / sqrt(17) = 0.5142.
    assert seeds_needed(0.5, 1.0, level=0.95, num_comparisons=1, smallest_difference=0.0) == 18
    assert seeds_needed(0.0, 1.0, level=0.95, num_comparisons=1, smallest_difference=0.01) is None


def test_one_seed_says_nothing_about_spread():
    assert np.isinf(seed_intervals(np.array([0.5]), level=0.95).half_width)


def test_no_seed_and_an_impossible_level_are_refused():
    with pytest.raises(ValueError, match="at least one seed, got none"):
        seed_intervals(np.zeros((3, 0)), level=0.95)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        seed_intervals(np.zeros(3), level=95.0)
