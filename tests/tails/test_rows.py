"""What all estimates of given scores share: what a tail is, what is left out, and that data never raise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorwise import synthetic, tails
from anchorwise.tails.rows import row_tails
from tests import twins

ESTIMATES = {
    "likelihood_evidence": tails.likelihood_evidence,
    "published_evidence": tails.published_evidence,
    "law_comparison": tails.law_comparison,
    "hill": tails.hill_estimate,
    "pareto": tails.pareto_estimate,
    "moments": lambda scores, **rest: tails.pareto_estimate(scores, method="moments", **rest),
    "weighted_moments": lambda scores, **rest: tails.pareto_estimate(scores, method="weighted_moments", **rest),
    "endpoint": tails.endpoint_estimate,
}
WITH_THRESHOLD = [name for name in ESTIMATES if name != "published_evidence"]
NUM_TAIL = 20


def sample(rows=4, columns=200, exponent=4.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return synthetic.shortfall_scores((rows, columns), exponent=exponent, generator=generator)


def numbers(result):
    return {name: value for name, value in vars(result).items() if name not in ("converged", "notes")}


DEGENERATE = {
    "all at the cap": (torch.ones(200), "200 scores nearer than 1e-06 to their end, or beyond, were left out"),
    "all alike": (torch.full((200,), 0.3), "ties"),
    "not a number": (torch.full((200,), math.nan), "200 scores are not finite and were left out"),
    "all excluded": (torch.full((200,), -math.inf), "no score is left"),
    "too few": (torch.cat([torch.rand(15), torch.full((185,), -math.inf)]), "15 scores, need 21"),
    "mostly ties": (torch.cat([torch.linspace(0.5, 0.6, 7), torch.full((193,), 0.4)]), "need 8 scores above"),
}


@pytest.mark.whole
@pytest.mark.parametrize("name", WITH_THRESHOLD)
@pytest.mark.parametrize("row", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_rows_are_reported_and_leave_the_others_alone(name, row):
    scores, (bad, message) = sample(), row
    alone = ESTIMATES[name](scores, num_tail=NUM_TAIL)
    together = ESTIMATES[name](torch.cat([bad.double().unsqueeze(0), scores]), num_tail=NUM_TAIL)
    assert together.converged.tolist() == [False, *alone.converged.tolist()]
    assert message in together.message[0]
    for field, value in numbers(together).items():
        assert field == "threshold" or not bool(value[0].isfinite())
        # A likelihood is flat at its maximum: where that lies is good to the root of its rounding.
        torch.testing.assert_close(value[1:], numbers(alone)[field], rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("row", ["not a number", "all excluded", "too few", "all alike"])
def test_the_published_regressions_report_degenerate_rows(row):
    scores, (bad, _) = sample(), DEGENERATE[row]
    result = tails.published_evidence(torch.cat([bad.double().unsqueeze(0), scores]), num_tail=NUM_TAIL)
    assert result.converged.tolist() == [False, True, True, True, True]
    assert result.message[0]
    assert bool(result.delta_aic[0].isnan())


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_scores_that_cannot_be_used_change_nothing_but_the_message(estimate):
    scores = sample()
    spoilt = torch.cat([torch.full((4, 1), math.nan), scores, torch.full((4, 2), math.inf)], dim=1)
    clean, told = estimate(scores, num_tail=NUM_TAIL), estimate(spoilt, num_tail=NUM_TAIL)
    for before, after in zip(clean.message, told.message, strict=True):
        assert after.removeprefix("3 scores are not finite and were left out").removeprefix("; ") == before != after
    for field, value in numbers(told).items():
        torch.testing.assert_close(value, numbers(clean)[field], rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("name", WITH_THRESHOLD)
def test_duplicates_and_excluded_pairs_are_no_tail(name):
    scores = sample()
    more = torch.cat([scores, torch.ones(4, 2), torch.full((4, 5), -math.inf)], dim=1)
    clean, told = ESTIMATES[name](scores, num_tail=NUM_TAIL), ESTIMATES[name](more, num_tail=NUM_TAIL)
    assert all(text.startswith("2 scores nearer than 1e-06") for text in told.message)
    for field, value in numbers(told).items():
        torch.testing.assert_close(value, numbers(clean)[field], rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_no_rows_and_too_few_columns_give_empty_results(estimate):
    assert estimate(torch.empty(0, 50), num_tail=NUM_TAIL).message == ()
    assert estimate(torch.empty(2, 0), num_tail=NUM_TAIL).message == ("no score is left",) * 2


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_scores_of_every_floating_type_are_widened_and_detached(estimate, dtype):
    scores = sample().to(dtype).requires_grad_()
    result = estimate(scores, num_tail=NUM_TAIL)
    assert all(value.dtype == torch.float64 and not value.requires_grad for value in numbers(result).values())


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_what_is_no_matrix_of_scores_and_a_tail_of_no_points_are_refused(estimate):
    with pytest.raises(ValueError, match="num_tail must be a whole number of at least 1, got 0"):
        estimate(sample(), num_tail=0)
    with pytest.raises(TypeError, match="scores"):
        estimate(torch.ones(3, 4, dtype=torch.int64), num_tail=2)


@pytest.mark.whole
@given(
    st.lists(st.floats(-1.5, 1.5, width=16) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=60),
    st.integers(1, 40),
    st.sampled_from(list(ESTIMATES)),
)
@settings(max_examples=60, deadline=None)
def test_no_data_raise_and_what_converged_is_a_number(row, num_tail, name):
    result = ESTIMATES[name](torch.tensor([row], dtype=torch.float64), num_tail=num_tail)
    assert len(result.message) == 1
    assert result.converged[0] or result.message[0]
    if result.converged[0]:
        unbounded = ("endpoint", "high", "low", "standard_error", "log_likelihood")
        assert all(bool(value.isfinite()) for field, value in numbers(result).items() if field not in unbounded)


def test_a_tail_is_what_the_twin_says():
    row = [0.5, 1.0, 0.7, math.nan, 0.5, 0.9, -math.inf, 0.1, 0.93]
    threshold, above = twins.row_tails.tail(row, 4)
    found = row_tails(torch.tensor([row]), 4, 1.0)
    assert found.threshold.tolist() == [threshold]
    assert found.scores[found.counted].tolist() == pytest.approx(above)
    assert found.excess.sum() == pytest.approx(sum(above) - len(above) * threshold)
