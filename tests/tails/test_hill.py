import pytest
import torch
from scipy import stats

from anchorwise import synthetic
from anchorwise.tails import hill_estimate
from anchorwise.tails.hill import gamma_quantile
from tests import twins


def shortfall_rows(rows, columns, exponent, endpoint=1.0):
    generator = torch.Generator().manual_seed(0)
    return synthetic.shortfall_scores((rows, columns), exponent=exponent, endpoint=endpoint, generator=generator)


@pytest.mark.parametrize("endpoint", [1.0, 0.8])
def test_the_exponent_is_the_twins_and_the_interval_scipys(endpoint):
    scores = shortfall_rows(3, 100, 3.0, endpoint)
    result = hill_estimate(scores, num_tail=25, endpoint=endpoint, level=0.9)
    for row, exponent, error, low, high in zip(
        scores.tolist(), result.exponent, result.standard_error, result.low, result.high, strict=True
    ):
        twin = twins.row_tails.exceedances(row, 25, endpoint).hill
        assert float(exponent) == pytest.approx(twin, rel=1e-11)
        assert float(error) == pytest.approx(twin / 5.0)
        # Twice the exponent times the sum of logarithms is chi-squared with twice as many degrees.
        assert float(low) == pytest.approx(twin * stats.chi2.ppf(0.05, 50) / 50)
        assert float(high) == pytest.approx(twin * stats.chi2.ppf(0.95, 50) / 50)


@pytest.mark.parametrize("probability", [1e-6, 0.025, 0.5, 0.975, 1 - 1e-6])
def test_gamma_quantiles_are_scipys(probability):
    shape = torch.tensor([8.0, 51.5, 1e3, 1e6], dtype=torch.float64)
    expected = stats.gamma.ppf(probability, shape.numpy())
    assert gamma_quantile(shape, probability).tolist() == pytest.approx(expected.tolist(), rel=1e-8)


@pytest.mark.parametrize("num_tail", [8, 32])
@pytest.mark.parametrize("exponent", [1.0, 4.0])
def test_the_interval_is_exact_at_any_size(num_tail, exponent):
    result = hill_estimate(shortfall_rows(20_000, 100, exponent), num_tail=num_tail)
    covered = ((result.low <= exponent) & (exponent <= result.high)).double().mean()
    # Standard error 0.15 %; three of them.
    assert float(covered) == pytest.approx(0.95, abs=0.0046)
    # The mean of Hill's estimate is m / (m - 1) times the exponent; its standard error over 20,000 rows is below 0.3 %.
    assert float(result.exponent.mean()) == pytest.approx(exponent * num_tail / (num_tail - 1), rel=0.01)


def test_shrinkage_is_the_posterior_of_a_gamma_prior():
    scores = shortfall_rows(21, 300, 4.0)
    own, shrunk = hill_estimate(scores, num_tail=30), hill_estimate(scores, num_tail=30, prior_points=60.0)
    median = float(own.exponent.median())
    for exponent, found, low in zip(own.exponent.tolist(), shrunk.exponent, shrunk.low, strict=True):
        # 30 points whose logarithms sum to 30 / exponent, after 60 imagined ones whose sum to 60 / median.
        total = 30 / exponent + 60 / median
        assert float(found) == pytest.approx(90 / total)
        assert float(low) == pytest.approx(stats.gamma.ppf(0.025, 90, scale=1 / total))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoint": 2.0}, "endpoint must lie in"),
        ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ({"prior_points": -1.0}, "prior_points must be at least 0, got -1.0"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        hill_estimate(shortfall_rows(2, 50, 2.0), num_tail=10, **arguments)


def test_the_exponent_is_half_the_number_of_directions_in_which_neighbours_lie():  # docs/statistics.md
    generator = torch.Generator().manual_seed(0)
    for directions in (2, 4):
        anchors, others = (
            synthetic.sphere_points(n, dimension=directions + 1, generator=generator) for n in (32, 8000)
        )
        found = hill_estimate(anchors @ others.T, num_tail=60).exponent.median().item()
        assert found == pytest.approx(directions / 2, rel=0.1)
