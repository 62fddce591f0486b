import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from anchorwise import synthetic
from anchorwise.tails import endpoint_estimate, pareto_estimate
from tests import twins

pytestmark = pytest.mark.whole

QUANTILE = stats.chi2.ppf(0.95, 1)


def rows(law, number, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if law == "exponential":
        return synthetic.exponential_scores((number, columns), generator=generator)
    if law == "student":
        return synthetic.student_scores((number, columns), generator=generator)
    return synthetic.shortfall_scores((number, columns), exponent=law, generator=generator)


def excess_of(row, num_tail):
    threshold, above = twins.row_tails.tail(row.tolist(), num_tail)
    return threshold, [s - threshold for s in above]


@pytest.mark.parametrize("law", ["exponential", "student", 2.5, 8.0])
@pytest.mark.parametrize("method", ["moments", "weighted_moments"])
def test_moments_are_the_twins(law, method):
    scores = rows(law, 4, 100)
    result = pareto_estimate(scores, num_tail=40, method=method)
    twin_of = twins.row_tails.pareto_of_moments if method == "moments" else twins.row_tails.pareto_of_weighted_moments
    for i, row in enumerate(scores):
        threshold, excess = excess_of(row, 40)
        twin = twin_of(excess)
        assert float(result.shape[i]) == pytest.approx(twin.shape, rel=1e-9)
        assert float(result.scale[i]) == pytest.approx(twin.scale, rel=1e-9)
        assert float(result.log_likelihood[i]) == pytest.approx(twin.log_likelihood(excess), rel=1e-9)
        assert float(result.threshold[i]) == threshold
        expected = threshold - twin.scale / twin.shape if twin.shape < 0 else math.inf
        assert float(result.endpoint[i]) == pytest.approx(expected)


@pytest.mark.parametrize(("method", "exponent"), [("moments", 8.0), ("weighted_moments", 3.0)])
def test_standard_errors_are_the_spread_of_the_estimates(method, exponent):
    result = pareto_estimate(rows(exponent, 3000, 401), num_tail=400, method=method)
    # The spread's own error over 3,000 rows is 1.3 %; 400 points are not infinitely many.
    assert float(result.standard_error.mean()) == pytest.approx(float(result.shape.std()), rel=0.06)
    covered = ((result.low <= -1 / exponent) & (-1 / exponent <= result.high)).double().mean()
    assert float(covered) == pytest.approx(0.95, abs=0.02)


def best_by_scipy(y):
    """Maximum over shapes above -1 from several starts, and the function itself, with y divided by its mean."""

    def minus(parameters):
        shape, log_scale = parameters
        if shape <= -1.0:
            return math.inf
        return -float(stats.genpareto.logpdf(y, shape, scale=math.exp(log_scale)).sum())

    starts = [(shape, math.log(max((1 - shape), -1.01 * shape * y.max()))) for shape in (-0.6, -0.2, 0.05, 0.5)]
    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 5000, "maxfev": 5000}
    with np.errstate(invalid="ignore"):
        found = [optimize.minimize(minus, start, method="Nelder-Mead", options=options) for start in starts]
    return min(found, key=lambda result: result.fun), minus


@pytest.mark.parametrize("law", ["exponential", "student", 2.2, 4.0, 16.0])
@pytest.mark.parametrize("num_tail", [32, 327])
def test_the_likelihood_is_not_below_scipys(law, num_tail):
    scores = rows(law, 2, 2 * num_tail)
    result = pareto_estimate(scores, num_tail=num_tail)
    for i, row in enumerate(scores):
        y = np.array(excess_of(row, num_tail)[1])
        scipy_fit, _ = best_by_scipy(y / y.mean())
        best = -scipy_fit.fun - len(y) * math.log(y.mean())
        assert float(result.log_likelihood[i]) > best - 1e-6
        # Flat within 1e-6 of the maximum: the shapes agree to its square root.
        assert float(result.shape[i]) == pytest.approx(scipy_fit.x[0], abs=2e-3)
        twin = twins.row_tails.Pareto(float(result.shape[i]), float(result.scale[i]))
        assert float(result.log_likelihood[i]) == pytest.approx(twin.log_likelihood(y.tolist()), rel=1e-9)


@pytest.mark.parametrize(
    ("law", "num_tail"), [("exponential", 60), ("student", 60), (2.2, 60), (8.0, 60), (2.0, 24), (4.0, 20)]
)
def test_profile_intervals_are_those_of_brute_force(law, num_tail):
    scores = rows(law, 6, 10 * num_tail)
    # In short tails some rows have no maximum.
    scores = scores[pareto_estimate(scores, num_tail=num_tail).converged][:1]
    assert len(scores) == 1
    shapes, ends = pareto_estimate(scores, num_tail=num_tail), endpoint_estimate(scores, num_tail=num_tail, cap=None)
    for i, row in enumerate(scores):
        threshold, excess = excess_of(row, num_tail)
        y = np.array(excess) / np.mean(excess)
        fit, minus = best_by_scipy(y)
        least = -fit.fun - QUANTILE / 2

        def best_scale(shape, y=y, minus=minus, least=least):
            lowest = math.log(-shape * y.max()) + 1e-9 if shape < 0 else -3.0
            found = optimize.minimize_scalar(
                lambda log_scale: min(minus((shape, log_scale)), 1e9), bounds=(lowest, 3.0), method="bounded",
                options={"xatol": 1e-11},
            )  # fmt: skip
            return -found.fun - least

        low = optimize.brentq(best_scale, -0.99999, fit.x[0], xtol=1e-9) if best_scale(-0.99999) < 0 else -1.0
        high = optimize.brentq(best_scale, fit.x[0], 3.0, xtol=1e-9)
        assert float(shapes.low[i]) == pytest.approx(low, abs=1e-5)
        assert float(shapes.high[i]) == pytest.approx(high, abs=1e-5)

        def best_shape(distance, y=y, minus=minus, least=least):
            found = optimize.minimize_scalar(
                lambda shape: min(minus((shape, math.log(-shape * distance))), 1e9), bounds=(-1 + 1e-12, -1e-9),
                method="bounded", options={"xatol": 1e-12},
            )  # fmt: skip
            return -found.fun - least

        start = max(y.max() * (1 + 1e-9), -math.exp(fit.x[1]) / fit.x[0] if fit.x[0] < 0 else 1e4)
        if best_shape(y.max() * (1 + 1e-9)) < 0 < best_shape(start):
            lowest = optimize.brentq(best_shape, y.max() * (1 + 1e-9), start, xtol=1e-10)
            assert float(ends.low[i]) == pytest.approx(threshold + lowest * np.mean(excess), abs=1e-6)
        if fit.x[0] < 0 and best_shape(1e5) < 0:
            highest = optimize.brentq(best_shape, start, 1e5, xtol=1e-8)
            assert float(ends.high[i]) == pytest.approx(threshold + highest * np.mean(excess), rel=1e-5)
        else:
            assert float(ends.high[i]) == math.inf


@pytest.mark.parametrize("exponent", [2.5, 4.0, 16.0])
def test_profile_intervals_hold_their_level(exponent):
    scores = rows(exponent, 1500, 400)
    shapes, ends = pareto_estimate(scores, num_tail=327), endpoint_estimate(scores, num_tail=327, cap=None)
    for low, high, truth in ((shapes.low, shapes.high, -1 / exponent), (ends.low, ends.high, 1.0)):
        covered = float(((low <= truth) & (truth <= high)).double().mean())
        # The report measures 94 %; standard error 0.6 %, three of them.
        assert covered == pytest.approx(0.945, abs=0.018)


def test_a_cap_cuts_endpoint_and_interval():
    scores = rows(8.0, 50, 400)
    free, capped = (endpoint_estimate(scores, num_tail=100, cap=cap) for cap in (None, 1.0))
    torch.testing.assert_close(capped.endpoint, free.endpoint.clamp_max(1.0))
    torch.testing.assert_close(capped.high, torch.where(free.low > 1.0, torch.nan, free.high.clamp_max(1.0)))
    assert (capped.low[capped.low.isfinite()] >= scores.amax(dim=1)[capped.low.isfinite()]).all()


def test_an_impossible_cap_leaves_an_empty_interval_and_says_so():
    # Student scores of heavy tail, squeezed: no endpoint agrees with them.
    scores = synthetic.student_scores((20, 4000), degrees=1.0, scale=1e-4, generator=torch.Generator().manual_seed(0))
    result = endpoint_estimate(scores, num_tail=400)
    empty = result.low.isnan()
    assert empty.any()
    assert all(("no endpoint up to 1.0" in text) == bool(row) for text, row in zip(result.message, empty, strict=True))


def test_a_likelihood_without_maximum_is_reported():
    result = pareto_estimate(rows(0.6, 5, 200), num_tail=100)
    assert not result.converged.any()
    assert all("the likelihood has no maximum" in text for text in result.message)


@pytest.mark.parametrize("method", ["likelihood", "moments", "weighted_moments"])
def test_the_shape_does_not_depend_on_place_or_scale(method):
    scores = rows(4.0, 5, 200)
    moved = 0.3 + 0.05 * scores
    first, second = (pareto_estimate(s, num_tail=50, method=method) for s in (scores, moved))
    torch.testing.assert_close(second.shape, first.shape, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(second.endpoint, 0.3 + 0.05 * first.endpoint, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(second.low, first.low, rtol=1e-6, atol=1e-6)


def test_moments_may_end_below_the_largest_score_and_say_so():
    result = pareto_estimate(rows(1.2, 200, 200), num_tail=50, method="weighted_moments")
    beyond = result.log_likelihood == -math.inf
    assert beyond.any()
    texts = zip(result.message, beyond, strict=True)
    assert all(("lies beyond the estimated endpoint" in text) == bool(row) for text, row in texts)


def test_unknown_methods_are_refused():
    with pytest.raises(Exception, match="method"):
        pareto_estimate(rows(2.0, 2, 50), num_tail=10, method="pwm")


def distance(top, law):
    """Kolmogorov's distance between each tail, in falling order with its threshold last, and its own fitted law."""
    excess = (top[:, :-1] - top[:, -1:]).flip(1).numpy()
    fitted = stats.genpareto.cdf(excess, law.shape.unsqueeze(1).numpy(), scale=law.scale.unsqueeze(1).numpy())
    steps = np.arange(excess.shape[1] + 1) / excess.shape[1]
    return np.maximum(steps[1:] - fitted, fitted - steps[:-1]).max(axis=1)


def test_fit_is_judged_by_a_parametric_bootstrap_and_not_by_the_plain_kolmogorov_smirnov_table():
    # Tails of a law that holds: at the level 5 % a test should reject one in twenty.
    num_tail, num_simulated = 51, 39
    top = rows(4.0, 200, 510).topk(num_tail + 1, dim=1).values
    law = pareto_estimate(top, num_tail=num_tail, cap=None)
    found = distance(top, law)
    assert (stats.kstwo.sf(found, num_tail) < 0.05).mean() < 0.01
    uniform = torch.rand(200, num_simulated, num_tail, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shape, scale = law.shape.view(-1, 1, 1), law.scale.view(-1, 1, 1)
    excess = (scale / shape * (uniform**-shape - 1.0)).view(-1, num_tail).sort(dim=1, descending=True).values
    again = torch.cat([excess, torch.zeros(len(excess), 1, dtype=torch.float64)], dim=1)
    simulated = distance(again, pareto_estimate(again, num_tail=num_tail, cap=None)).reshape(200, num_simulated)
    rank = (simulated >= found[:, None]).mean(axis=1)
    # Standard error of a share of 200 near 0.2: 2.8 points; three of them.
    assert (rank <= 0.2).mean() == pytest.approx(0.2, abs=0.085)
