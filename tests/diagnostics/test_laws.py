import math

import numpy as np
import pytest
from scipy import integrate, stats

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES, PooledExceedances
from anchorwise.diagnostics.laws import fit_laws


def exceedances(y, threshold=0.7):
    return PooledExceedances(np.sort(y)[::-1], threshold, 100 * len(y), 0, np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64))


def shortfall_sample(exponent, num=5000, distance=0.3):
    return distance * (1.0 - np.random.default_rng(0).random(num) ** (1.0 / exponent))


def test_the_laws_match_a_hand_worked_case():
    # 30 shortfalls each of 0.5 and 0.25 of distance 1: alpha = 2 / (log 2 + log 4) = 0.9618; mean exceedance 0.625.
    fit = fit_laws(exceedances(np.repeat([0.5, 0.75], 30), threshold=0.0))
    assert fit.exponent == pytest.approx(2 / math.log(8))
    assert (fit.exponential.shape, fit.exponential.scale) == (0.0, 0.625)
    assert fit.shortfall.scale / -fit.shortfall.shape == pytest.approx(1.0)  # It ends at cosine 1.


@pytest.mark.parametrize("exponent", [0.7, 2.0, 8.0])
def test_the_shortfall_law_is_a_power_of_the_distance_to_one(exponent):
    law = fit_laws(exceedances(shortfall_sample(exponent, num=50))).shortfall
    alpha, y = -1.0 / law.shape, np.array([0.0, 0.1, 0.299, 0.301])
    inside = alpha / 0.3 * (1 - y[:3] / 0.3) ** (alpha - 1)
    assert law.density(y) == pytest.approx(np.r_[inside, 0.0])


@pytest.mark.parametrize("exponent", [2.0, 8.0])
def test_quantiles_invert_the_integrated_density(exponent):
    fit = fit_laws(exceedances(shortfall_sample(exponent, num=500)))
    for law in (fit.shortfall, fit.exponential, fit.pareto):
        upper = float(law.quantile(np.array([0.8]))[0])
        share, _ = integrate.quad(lambda x, law=law: float(law.density(np.array([x]))[0]), 0.0, upper)
        assert share == pytest.approx(0.8)


def test_the_difference_of_aic_is_twice_that_of_the_log_likelihoods():
    found = exceedances(shortfall_sample(3.0, num=200))
    fit = fit_laws(found)
    lead = np.log(fit.shortfall.density(found.values)).sum() - np.log(fit.exponential.density(found.values)).sum()
    assert fit.delta_aic == pytest.approx(2 * lead, rel=1e-9)


def test_the_shortfall_fit_maximises_the_likelihood():
    y = shortfall_sample(3.0, num=200)
    # In scipy's terms delta / delta_u is a power-function variable.
    exponent, *_ = stats.powerlaw.fit(1.0 - y / 0.3, floc=0.0, fscale=1.0)
    assert fit_laws(exceedances(y)).exponent == pytest.approx(exponent, rel=1e-6)


@pytest.mark.parametrize("exponent", [2.0, 4.0, 8.0])
def test_known_exponents_are_found(exponent):
    fit = fit_laws(exceedances(shortfall_sample(exponent)))
    # Hill's standard error is alpha / sqrt(m) = 1.4 %; four of them.
    assert fit.exponent == pytest.approx(exponent, rel=4 / math.sqrt(5000))
    assert fit.delta_aic > 0.0
    # The free law has shape -1 / alpha, standard error (1 + xi) / sqrt(m) for xi > -1/2.
    assert fit.pareto.shape == pytest.approx(-1.0 / exponent, abs=4 * (1 - 1 / exponent) / math.sqrt(5000))
    assert fit.endpoint == pytest.approx(1.0, abs=0.03)


def test_exponential_exceedances_prefer_the_exponential_and_have_no_near_endpoint():
    y = np.random.default_rng(0).exponential(0.03, 5000)
    fit = fit_laws(exceedances(y[y < 0.299]))
    assert fit.delta_aic < 0.0
    assert fit.exponential.scale == pytest.approx(0.03, rel=4 / math.sqrt(5000))
    assert fit.pareto.shape == pytest.approx(0.0, abs=4 / math.sqrt(5000))


def test_the_free_law_is_at_least_as_likely_as_both_it_contains():
    for y in (shortfall_sample(3.0), np.random.default_rng(1).exponential(0.03, 500)):
        found = exceedances(np.minimum(y, 0.29))
        fit = fit_laws(found)
        free, *others = (
            np.log(law.density(found.values)).sum() for law in (fit.pareto, fit.shortfall, fit.exponential)
        )
        assert free > max(others) - 1e-4  # Within the tolerance of the search.


def test_an_irregular_shape_says_so():
    assert "exponent below 2" in fit_laws(exceedances(shortfall_sample(1.4))).message


def test_where_the_likelihood_has_no_maximum_there_is_no_free_law():
    y = shortfall_sample(0.6)
    fit = fit_laws(exceedances(y[y < 0.3 - 2e-6]))
    assert fit.pareto is None
    assert "no maximum" in fit.message


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.full(29, 0.1), "29 exceedances, need 30; embed more images"), (np.zeros(100), "are all equal")],
)
def test_data_that_allow_no_fit_are_reported(y, message):
    fit = fit_laws(exceedances(y))
    assert not fit.converged
    assert message in fit.message
    assert fit.shortfall is None
