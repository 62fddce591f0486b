import math
import warnings

import numpy as np
import pytest
from scipy import stats

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES, PooledExceedances
from anchorwise.diagnostics.goodness import anderson_darling, exponential_p_values, goodness_of_fit


def test_the_statistic_matches_a_case_worked_by_hand():
    # Values log 2 and 3 log 2, mean 2 log 2: scaled 1/2 and 3/2.
    low, high = 1 - math.exp(-0.5), 1 - math.exp(-1.5)
    expected = -2 - (1 * (math.log(low) - 1.5) + 3 * (math.log(high) - 0.5)) / 2
    assert anderson_darling(np.array([[math.log(2), 3 * math.log(2)]]))[0] == pytest.approx(expected)


def test_the_statistic_equals_scipys():
    sample = np.random.default_rng(0).gamma(2.0, size=80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy announces another result object.
        expected = stats.anderson(sample, "expon").statistic
    assert anderson_darling(sample[None])[0] == pytest.approx(expected)


def test_exponential_samples_are_rejected_as_often_as_the_level_says():
    rng = np.random.default_rng(1)
    values = exponential_p_values(rng.exponential(3.0, (1000, 60)), rng)
    # 1,000 samples against 499 simulated ones: standard errors 1.2 % at 5 %, 2.7 % at 50 %; three and a half of them.
    assert (values < 0.05).mean() == pytest.approx(0.05, abs=0.042)
    assert (values < 0.5).mean() == pytest.approx(0.5, abs=0.095)


def test_the_plain_table_would_accept_too_often():
    """Why there is a bootstrap: with the mean fitted, Kolmogorov and Smirnov's p-values are far from uniform."""
    rng = np.random.default_rng(2)
    samples = rng.exponential(3.0, (300, 60))
    plain = np.array([stats.kstest(sample / sample.mean(), "expon").pvalue for sample in samples])
    assert (plain < 0.05).mean() < 0.01


@pytest.mark.parametrize("law", ["exponential", "shortfall"])
def test_the_law_that_made_the_scores_fits_and_the_other_does_not(law):
    rng = np.random.default_rng(3)
    y = rng.exponential(0.05, 3000) if law == "exponential" else 0.3 * (1 - rng.random(3000) ** (1 / 2.0))
    y = np.sort(y[y < 0.299])[::-1]
    found = goodness_of_fit(PooledExceedances(y, 0.7, 100_000, 0, np.zeros(len(HISTOGRAM_EDGES) - 1, int)), rng)
    assert found.num_values == 500
    fitting, other = found.exponential, found.shortfall
    if law == "shortfall":
        fitting, other = other, fitting
    assert fitting > 0.05
    assert other < 0.05
