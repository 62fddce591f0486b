"""The likelihood gate where a row's own tail is too short: what it borrows, from where it works, and what it says."""

import warnings

import pytest
import torch

from anchorwise import WEINCE, InfoNCE, tails
from anchorwise.pairs import Contrast, views_of
from anchorwise.tails import gates
from anchorwise.tails.negatives import negatives_of
from anchorwise.tails.tail_sums import TailSums


@pytest.fixture(autouse=True)
def _nobody_has_warned(monkeypatch):
    monkeypatch.setattr(gates, "_WARNED", set())


def views(num_samples, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(num_samples, width, generator=generator)
    return base, base + 0.5 * torch.randn(num_samples, width, generator=generator)


@pytest.mark.parametrize("num_samples", [14, 16, 32, 64, 128])
def test_weince_is_not_info_nce_in_small_batches(num_samples: int):
    lambdas = WEINCE().detail(*views(num_samples)).stats["lambda"]
    assert lambdas.min() > 0.0
    assert WEINCE(exponent=8.0)(*views(num_samples)) != InfoNCE()(*views(num_samples))


def test_a_row_with_a_long_tail_of_its_own_is_judged_by_that_alone():
    negatives = negatives_of(views_of(*views(160)).pooled())
    gate = tails.LikelihoodGate()
    tail, reading = negatives.exceedances(0.1), gate.read(negatives)
    long = tail.count >= 32
    assert 0 < int(long.sum()) < len(long)
    evidence = tails.gates.likelihood_delta_aic(tail)
    assert torch.equal(reading.blend[long], torch.sigmoid(evidence - 2.0)[long])
    assert not torch.equal(reading.blend, torch.sigmoid(evidence - 2.0))


def test_a_short_row_is_lent_the_batchs_mean_exceedance_in_units_of_its_own_threshold():
    tail = TailSums(*torch.tensor([[0.5, 1.0], [0.1, 0.2], [2.0, 6.0], [1.0, 2.5], [0.8, 2.0]]))
    longer = tail.completed(6)
    # The batch: 8 points, log ratios 3.5 in all, relative excesses 2.8 in all.
    assert longer.count.tolist() == [6.0, 6.0]
    torch.testing.assert_close(longer.sum_log_ratio, torch.tensor([1.0 + 4 * 3.5 / 8, 2.5]))
    torch.testing.assert_close(longer.sum_relative_excess, torch.tensor([0.8 + 4 * 2.8 / 8, 2.0]))
    torch.testing.assert_close(longer.mean_excess, torch.tensor([0.5 * (0.8 + 4 * 2.8 / 8) / 6, 2.0 / 6]))


def test_a_batch_of_too_few_exceedances_lends_none():
    tail = TailSums(*torch.tensor([[0.5, 1.0], [0.1, 0.2], [2.0, 6.0], [1.0, 2.5], [0.8, 2.0]]))
    longer = tail.completed(9)
    assert torch.equal(longer.count, tail.count)
    assert torch.equal(longer.sum_log_ratio, tail.sum_log_ratio)


@pytest.mark.parametrize("num_samples", [1, 2, 13])
def test_where_lambda_cannot_be_read_one_warning_says_from_where_it_can(num_samples: int):
    with pytest.warns(UserWarning, match="needs 640 of them, which two views of 14 samples have; take larger"):
        stats = WEINCE().detail(*views(num_samples)).stats
    assert stats["lambda"].tolist() == [0.0] * 2 * num_samples
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WEINCE()(*views(num_samples))  # It has been said.
        WEINCE()(*views(14))
        WEINCE(gate="published")(*views(num_samples))


def test_few_anchors_with_many_negatives_need_no_others():
    negatives = negatives_of(views_of(*views(200)).pooled())
    one = tails.Negatives(Contrast(negatives.anchors[:1], negatives.keys, num_excluded=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tails.LikelihoodGate().read(one).blend > 0.0


def exponential_pairs(num_samples, mean, generator, alike):
    """Scores of all pairs of two views: symmetric, exponential, those of one pair of samples nearly the same."""
    number = 2 * num_samples
    sample = torch.arange(num_samples).repeat(2)
    of_rows, of_samples = (torch.randn(n, n, generator=generator, dtype=torch.float64) for n in (number, num_samples))
    of_rows, of_samples = (part.triu() + part.triu(1).T for part in (of_rows, of_samples))
    normal = (1.0 - alike) ** 0.5 * of_rows + alike**0.5 * of_samples[sample][:, sample]
    return -0.5 - mean * torch.special.ndtr(-normal).log(), sample.unsqueeze(1) != sample


@pytest.mark.parametrize("alike", [0.0, 0.9])
@pytest.mark.parametrize("num_samples", [14, 32])
def test_exponential_scores_pass_for_bounded_no_more_often_than_in_long_rows(num_samples: int, alike: float):
    generator, evidence = torch.Generator().manual_seed(1), []
    for _ in range(60):
        scores, counted = exponential_pairs(num_samples, 0.1, generator, alike)
        evidence.append(_evidence(scores, counted))
    # 1.2 % of rows with 51 points of their own (benchmarks/results/small-batches_2-core-epyc_2026-11-27.md).
    assert (torch.cat(evidence) > 2.0).double().mean() < 0.012


def _evidence(scores, counted):
    """The gate's evidence, from scores in place of embeddings."""
    count = counted.sum(dim=1)
    mean = (scores * counted).sum(dim=1) / count
    deviation = ((scores - mean.unsqueeze(1)).square() * counted).sum(dim=1).div(count).sqrt()
    widest, shortfalls = (1.0 - mean - 1.2815515655446004 * deviation).unsqueeze(1), 1.0 - scores
    above = counted & (shortfalls < widest)
    tail = TailSums(
        threshold_shortfall=widest.squeeze(1),
        hardest_shortfall=mean,
        count=above.sum(dim=1).double(),
        sum_log_ratio=torch.where(above, widest / shortfalls, 1.0).log().sum(dim=1),
        sum_relative_excess=torch.where(above, 1.0 - shortfalls / widest, 0.0).sum(dim=1),
    )
    return gates.likelihood_delta_aic(tail.completed(32))
