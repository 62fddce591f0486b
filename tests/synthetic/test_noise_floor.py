import math

import pytest
import torch

from anchorwise.synthetic import noise_floor
from anchorwise.synthetic.noise_floor import SCORES, log_odds, winners
from tests import twins


def run(**arguments):
    return noise_floor(generator=torch.Generator().manual_seed(0), **arguments)


def test_the_constants_are_the_papers():
    result = run(num_draws=(100,), num_repetitions=2)
    assert result.truth == pytest.approx(1.7121, abs=5e-5)
    assert result.fisher_constant == pytest.approx(7.136, abs=5e-4)
    assert result.softmax_floor == pytest.approx(0.04515, abs=5e-6)


def test_the_shortfall_link_falls_like_its_bound_and_the_softmax_link_keeps_its_floor():
    result = run(num_draws=(1000, 10_000), num_repetitions=3000)
    bound = result.fisher_constant / torch.tensor(result.num_draws)
    # Three Monte Carlo standard errors, and 2 % at 1,000 draws, where the bound is not yet reached.
    assert ((result.shortfall_error - bound).abs() < 3 * result.shortfall_standard_error + 0.02 * bound).all()
    assert (result.softmax_error > result.softmax_floor).all()
    # The softmax estimate's own variance comes on top of its floor: below 2e-3 at 10,000 draws.
    assert float(result.softmax_error[1]) == pytest.approx(result.softmax_floor, abs=2e-3)


@pytest.mark.parametrize("statistic", [SCORES, [-math.log(1 - s) for s in SCORES]])
def test_log_odds_are_the_twins(statistic):
    means = [0.3, 0.5, 0.8]
    found = log_odds(torch.tensor(statistic, dtype=torch.float64), torch.tensor(means, dtype=torch.float64))
    assert found.tolist() == pytest.approx([twins.row_tails.log_odds_of_mean(statistic, m) for m in means], rel=1e-8)


def test_winners_are_multinomial():
    chances = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64)
    shares = winners(chances, 50, 20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(shares * 50, (shares * 50).round())
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(20_000, dtype=torch.float64))
    covariance = (torch.diag(chances) - chances.outer(chances)) / 50
    # Standard errors over 20,000: 5e-4 of a mean, about 1 % of a variance; four of them.
    torch.testing.assert_close(shares.mean(dim=0), chances, atol=2e-3, rtol=0)
    torch.testing.assert_close(torch.cov(shares.T), covariance, atol=2e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": (0.5,)}, "scores must be two or more rising numbers below 1"),
        ({"scores": (0.5, 1.0)}, "scores must be two or more rising numbers below 1"),
        ({"exponent": 0.0}, "exponent must be above 0"),
        ({"num_repetitions": 1}, "num_repetitions must be a whole number of at least 2"),
        ({"num_draws": (0,)}, "num_draws must be a whole number of at least 1"),
    ],
)
def test_impossible_experiments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(**arguments)
