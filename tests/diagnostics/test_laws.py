import math

import numpy as np
import pytest
from scipy import integrate, stats

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES, Exceedances
from anchorwise.diagnostics.laws import fit_exponential, fit_laws, fit_pareto, fit_shortfall


def exceedances(y, threshold=0.7):
    return Exceedances(np.sort(y)[::-1], threshold, 100 * len(y), 0, np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64))


def shortfall_sample(exponent, num=5000, distance=0.3):
    return distance * (1.0 - np.random.default_rng(0).random(num) ** (1.0 / exponent))


def test_the_laws_match_a_hand_worked_case():
    # Shortfalls 0.5 and 0.25 of distance 1: alpha = 2 / (log 2 + log 4) = 0.9618; mean exceedance 0.625.
    y = np.array([0.5, 0.75])
    shortfall, exponential = fit_shortfall(y, 1.0), fit_exponential(y)
    alpha = 2 / math.log(8)
    assert shortfall.exponent == pytest.approx(alpha)
    assert shortfall.log_likelihood == pytest.approx(2 * math.log(alpha) - (alpha - 1) * math.log(8))
    assert exponential.mean == 0.625
    assert exponential.log_likelihood == pytest.approx(-2 * math.log(0.625) - 2)


@pytest.mark.parametrize("exponent", [0.7, 2.0, 8.0])
def test_log_likelihoods_are_sums_of_log_densities(exponent):
    y = shortfall_sample(exponent, num=50)
    for law in (fit_shortfall(y, 0.3), fit_exponential(y), fit_pareto(y, 0.7)):
        assert law.log_likelihood == pytest.approx(np.log(law.density(y)).sum(), rel=1e-9)


@pytest.mark.parametrize("exponent", [2.0, 8.0])
def test_quantiles_invert_the_integrated_density(exponent):
    y = shortfall_sample(exponent, num=500)
    for law in (fit_shortfall(y, 0.3), fit_exponential(y), fit_pareto(y, 0.7)):
        upper = float(law.quantile(np.array([0.8]))[0])
        share, _ = integrate.quad(lambda x, law=law: float(law.density(np.array([x]))[0]), 0.0, upper)
        assert share == pytest.approx(0.8)


def test_the_shortfall_fit_maximises_the_likelihood():
    y = shortfall_sample(3.0, num=200)
    fitted = fit_shortfall(y, 0.3)
    # In scipy's terms delta / delta_u is a power-function variable.
    exponent, *_ = stats.powerlaw.fit(1.0 - y / 0.3, floc=0.0, fscale=1.0)
    assert fitted.exponent == pytest.approx(exponent, rel=1e-6)


@pytest.mark.parametrize("exponent", [2.0, 4.0, 8.0])
def test_known_exponents_are_found(exponent):
    fit = fit_laws(exceedances(shortfall_sample(exponent)))
    # Hill's standard error is alpha / sqrt(m) = 1.4 %; four of them.
    assert fit.shortfall.exponent == pytest.approx(exponent, rel=4 / math.sqrt(5000))
    assert fit.delta_aic > 0.0
    # The free law has shape -1 / alpha, standard error (1 + xi) / sqrt(m) for xi > -1/2.
    assert fit.pareto.shape == pytest.approx(-1.0 / exponent, abs=4 * (1 - 1 / exponent) / math.sqrt(5000))
    assert fit.pareto.endpoint == pytest.approx(1.0, abs=0.03)
    assert fit.pareto.converged


def test_exponential_exceedances_prefer_the_exponential_and_have_no_near_endpoint():
    y = np.random.default_rng(0).exponential(0.03, 5000)
    fit = fit_laws(exceedances(y[y < 0.299]))
    assert fit.delta_aic < 0.0
    assert fit.exponential.mean == pytest.approx(0.03, rel=4 / math.sqrt(5000))
    assert fit.pareto.shape == pytest.approx(0.0, abs=4 / math.sqrt(5000))


def test_the_free_law_is_at_least_as_likely_as_both_it_contains():
    for y in (shortfall_sample(3.0), np.random.default_rng(1).exponential(0.03, 500)):
        fit = fit_laws(exceedances(np.minimum(y, 0.29)))
        # Within the tolerance of the search.
        assert fit.pareto.log_likelihood > max(fit.shortfall.log_likelihood, fit.exponential.log_likelihood) - 0.01


def test_an_irregular_shape_says_so():
    assert "below -0.5" in fit_pareto(shortfall_sample(1.4), 0.7).message


def test_the_free_fit_does_not_depend_on_the_unit():
    y = shortfall_sample(4.0, num=500)
    small, large = fit_pareto(y * 1e-3, 0.7), fit_pareto(y * 1e3, 0.7)
    assert small.shape == pytest.approx(large.shape, rel=1e-3)
    assert small.scale * 1e6 == pytest.approx(large.scale, rel=1e-3)


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.full(29, 0.1), "29 exceedances, need 30; embed more images"), (np.zeros(100), "are all equal")],
)
def test_data_that_allow_no_fit_are_reported(y, message):
    fit = fit_laws(exceedances(y))
    assert not fit.converged
    assert message in fit.message
    assert fit.shortfall is None
