import math

import pytest
import torch

from anchorwise import synthetic
from anchorwise.tails import law_comparison, likelihood_evidence, published_evidence
from anchorwise.tails.exponential_law import exponential_pvalue, none_beyond, residual_moments
from anchorwise.tails.rows import row_tails
from tests import twins

GENERATORS = {
    "exponential": lambda shape, g: synthetic.exponential_scores(shape, generator=g),
    "gaussian": lambda shape, g: synthetic.gaussian_scores(shape, generator=g),
    "shortfall 0.7": lambda shape, g: synthetic.shortfall_scores(shape, exponent=0.7, generator=g),
    "shortfall 4": lambda shape, g: synthetic.shortfall_scores(shape, exponent=4.0, generator=g),
}


def draw(name, shape, seed=0):
    return GENERATORS[name](shape, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("endpoint", [1.0, 0.99])
def test_evidence_and_exponent_are_the_twins(name, endpoint):
    scores = draw(name, (3, 120))
    result = likelihood_evidence(scores, num_tail=30, endpoint=endpoint)
    for row, delta_aic, exponent in zip(scores.tolist(), result.delta_aic, result.exponent, strict=True):
        twin = twins.row_tails.exceedances(row, 30, endpoint)
        # Differences of sums over 30 logarithms: some 1e-13 each.
        assert float(delta_aic) == pytest.approx(twin.delta_aic, rel=1e-9, abs=1e-9)
        assert float(exponent) == pytest.approx(twin.hill, rel=1e-11)


@pytest.mark.parametrize("name", GENERATORS)
def test_aic_of_three_laws_are_the_twins_and_the_free_law_is_the_likeliest(name):
    scores = draw(name, (4, 300))
    result = law_comparison(scores, num_tail=100)
    evidence = likelihood_evidence(scores, num_tail=100)
    torch.testing.assert_close(result.exponential - result.shortfall, evidence.delta_aic)
    for row, exponential, power in zip(scores.tolist(), result.exponential, result.shortfall, strict=True):
        threshold, above = twins.row_tails.tail(row, 100)
        twin = twins.row_tails.aic([s - threshold for s in above], 1.0 - threshold)
        assert (float(exponential), float(power)) == (pytest.approx(twin[0]), pytest.approx(twin[1]))
    found = result.pareto.isfinite()
    # One more parameter costs 2; the free law contains the exponential, and the shortfall law of exponent 1 or more.
    assert (result.pareto[found] - 2.0 <= result.exponential[found] + 1e-9).all()
    assert found.all() or name == "shortfall 0.7"


def test_the_published_evidence_is_the_twins():
    scores = torch.cat([draw("shortfall 4", (3, 100)), torch.ones(3, 2)], dim=1)
    result = published_evidence(scores, num_tail=32)
    for row, delta_aic, exponent in zip(scores.tolist(), result.delta_aic, result.exponent, strict=True):
        twin = twins.regressions(sorted(max(1 - s, 1e-6) for s in row)[:32])
        assert float(delta_aic) == pytest.approx(twin.delta_aic, rel=1e-8)
        assert float(exponent) == pytest.approx(twin.slope, rel=1e-9)


def test_shrinkage_draws_exponents_to_their_median_and_leaves_the_evidence_alone():
    scores = draw("shortfall 4", (9, 200))
    for estimate, points in ((likelihood_evidence, 40), (law_comparison, 40)):
        own, shrunk = estimate(scores, num_tail=40), estimate(scores, num_tail=40, prior_points=points)
        # Equal weights: the mean of both in 1 / exponent.
        torch.testing.assert_close(shrunk.exponent, 2.0 / (1.0 / own.exponent + 1.0 / own.exponent.median()))
    torch.testing.assert_close(
        likelihood_evidence(scores, num_tail=40, prior_points=40.0).delta_aic,
        likelihood_evidence(scores, num_tail=40).delta_aic,
    )
    own, shrunk = (published_evidence(scores, num_tail=40, prior_points=points) for points in (0.0, 1e9))
    torch.testing.assert_close(shrunk.exponent, own.exponent.median().expand(9))


# The p-value.


def test_the_largest_of_two_spacings():
    # Two spacings of a unit: the larger one is below c where a uniform point lies in (1 - c, c).
    ratio = torch.tensor([1.0, 1.2, 1.6, 2.0, 5.0], dtype=torch.float64)
    assert none_beyond(torch.full_like(ratio, 2.0), ratio).tolist() == pytest.approx([0.0, 0.2, 0.6, 1.0, 1.0])


def test_the_largest_spacing_of_a_large_tail_is_poisson():
    # Points beyond are rare and nearly independent: exp(-m exp(-r)), with an error of the order r^2 / m.
    ratio, m = torch.tensor([9.0], dtype=torch.float64), torch.tensor([3000.0], dtype=torch.float64)
    assert float(none_beyond(m, ratio)) == pytest.approx(math.exp(-3000 * math.exp(-9)), rel=0.01)
    assert float(none_beyond(m, torch.tensor([1.5], dtype=torch.float64))) == pytest.approx(0.0, abs=1e-200)


@pytest.mark.parametrize("ratio", [1.5, 2.0, 8.0, 500.0])
def test_the_limiting_moments_are_those_of_a_truncated_exponential(ratio):
    # On a fine grid of t, with the rate that makes the mean 1 / ratio found by bisection.
    t = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    low, high = -ratio / (ratio - 1.0), ratio
    for _ in range(60):
        rate = (low + high) / 2
        density = (-rate * t + min(rate, 0.0)).softmax(dim=0)
        low, high = (rate, high) if float(density @ t) > 1 / ratio else (low, rate)
    residual = -torch.log1p(-t) - t
    mean, centred = float(density @ residual), t - density @ t
    slope = (density @ (centred * residual)) / (density @ centred.square())
    deviation = math.sqrt(density @ (residual - mean - slope * centred).square())
    found = residual_moments(torch.tensor([ratio], dtype=torch.float64))
    # The grid's error at the logarithm's pole, and at its first cells where they hold everything.
    assert float(found[0]) == pytest.approx(mean, rel=1e-3)
    assert float(found[1]) == pytest.approx(deviation, rel=1e-3)


@pytest.mark.parametrize(("num_tail", "ratio"), [(8, 4.0), (20, 3.5), (51, 5.0), (51, 13.0), (300, 7.0)])
def test_the_pvalue_is_the_rank_among_simulated_tails(num_tail, ratio):
    """Brute force: exponentials given their mean, a tail with a point beyond the endpoint speaking against the law."""
    generator, repetitions = torch.Generator().manual_seed(1), 20_000
    x = torch.empty(repetitions, num_tail, dtype=torch.float64).exponential_(generator=generator)
    x = x / x.mean(dim=1, keepdim=True)
    delta_aic = torch.where((x < ratio).all(dim=1), twin_delta_aic(x, ratio), -math.inf)
    # A point at the very end would be taken for a duplicate.
    kept = torch.nonzero(x.amax(dim=1) < 0.999 * ratio).flatten()[:400]
    threshold = 1.0 - 0.1 * ratio
    scores = torch.cat([torch.full((len(kept), 1), threshold, dtype=torch.float64), threshold + 0.1 * x[kept]], dim=1)
    result = likelihood_evidence(scores, num_tail=num_tail)
    torch.testing.assert_close(result.delta_aic, delta_aic[kept], atol=1e-6, rtol=1e-6)
    rank = (delta_aic >= delta_aic[kept].unsqueeze(1)).double().mean(dim=1)
    # Four standard errors of a share of 20,000, and the table's own.
    error = 4 * (rank * (1 - rank) / repetitions).sqrt() + 0.004
    assert ((result.pvalue - rank).abs() <= error).all()


def twin_delta_aic(x, ratio):
    alpha = 1.0 / -torch.log1p(-x / ratio).mean(dim=1)
    return 2.0 * x.shape[1] * ((alpha / ratio).log() + 1.0 / alpha)


@pytest.mark.whole
@pytest.mark.parametrize(("num_tail", "columns"), [(32, 320), (51, 510), (327, 3270)])
def test_five_percent_of_exponential_rows_are_rejected(num_tail, columns):
    scores = draw("exponential", (3000, columns), seed=2)
    rejected = likelihood_evidence(scores, num_tail=num_tail).pvalue < 0.05
    # Standard error of a share of 3,000: 0.4 %; three of them.
    assert float(rejected.double().mean()) == pytest.approx(0.05, abs=0.012)


def test_power_grows_as_the_exponent_falls_and_with_the_tail():
    shares = [
        float((likelihood_evidence(draw_power(exponent), num_tail=51).pvalue < 0.05).double().mean())
        for exponent in (16.0, 8.0, 4.0, 2.0)
    ]
    assert shares == sorted(shares)
    assert shares[-1] > 0.95


def draw_power(exponent):
    return synthetic.shortfall_scores((500, 510), exponent=exponent, generator=torch.Generator().manual_seed(0))


def test_no_scale_and_no_threshold_enter_the_pvalue():
    scores = draw("shortfall 4", (5, 200))
    near = 1.0 - (1.0 - scores) / 20.0
    first, second = likelihood_evidence(scores, num_tail=50), likelihood_evidence(near, num_tail=50)
    torch.testing.assert_close(first.pvalue, second.pvalue)
    torch.testing.assert_close(first.delta_aic, second.delta_aic)


def test_pvalues_are_probabilities_for_all_tails():
    generator = torch.Generator().manual_seed(0)
    for exponent in (0.3, 1.0, 3.0, 1000.0):
        scores = synthetic.shortfall_scores((50, 3000), exponent=exponent, generator=generator)
        for num_tail in (8, 100, 2000):
            pvalue = exponential_pvalue(row_tails(scores, num_tail, 1.0).sums(1.0))
            assert ((pvalue >= 0) & (pvalue <= 1)).all()
