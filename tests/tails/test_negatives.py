import math

import pytest
import torch

from anchorwise.links import MIN_SHORTFALL, shortfall
from anchorwise.pairs import views_of
from anchorwise.tails import hardest_shortfall
from anchorwise.tails.negatives import negatives_of
from anchorwise.tails.tail_length import TailLength
from tests import twins
from tests.contracts import batches

TAIL = TailLength(0.1, 20, "nearest")


@pytest.mark.parametrize("batch", batches.EXTREME.values(), ids=batches.EXTREME)
def test_the_threshold_from_moments_equals_the_one_from_the_scores(batch):
    views = views_of(*batch())
    threshold = negatives_of(views.pooled()).exceedances(0.1).threshold_shortfall
    scores = views.rows @ views.rows.T
    samples = torch.arange(len(scores)) % (len(scores) // 2)
    rows = scores[samples.unsqueeze(1) != samples].view(len(scores), -1)
    expected = shortfall(rows.mean(dim=1) + 1.2815515655446004 * rows.std(dim=1, correction=0))
    # A variance near 0 is good to eps, so its root is good to sqrt(eps).
    torch.testing.assert_close(threshold, expected, rtol=1e-10, atol=3e-8)


def test_hardest_shortfall_is_that_of_the_nearest_negative():
    view0, view1 = batches.ordinary()
    expected = [twins.shortfall(max(row)) for row in twins.Batch.of(view0.tolist(), view1.tolist()).negatives]
    assert hardest_shortfall(view0, view1).tolist() == pytest.approx(expected)


def test_a_single_sample_has_no_hardest_negative():
    assert hardest_shortfall(torch.ones(1, 3), torch.ones(1, 3)).shape == (0,)


def test_the_hardest_keys_are_at_most_all_negatives():
    negatives = negatives_of(views_of(*batches.ordinary()).pooled())
    assert negatives.hardest(4).keys.shape == (48, 4)
    assert negatives.hardest(1000).keys.shape == (48, 46)


def test_the_hardest_keys_are_the_same_whatever_else_was_read():
    fresh, read = (negatives_of(views_of(*batches.duplicates()).pooled()) for _ in range(2))
    read.sorted_tail(TAIL)
    assert torch.equal(read.hardest(4).keys, fresh.hardest(4).keys)


def test_a_statistic_is_read_once():
    negatives = negatives_of(views_of(*batches.ordinary()).pooled())
    assert negatives.exceedances(0.1) is negatives.exceedances(0.1)
    assert negatives.sorted_tail(TAIL) is negatives.sorted_tail(TailLength(0.1, 20, "nearest"))


def test_duplicates_are_counted_apart_from_the_tail():
    negatives = negatives_of(views_of(*batches.duplicates()).pooled())
    assert (negatives.hardest_shortfall == MIN_SHORTFALL).any()
    tail = negatives.exceedances(0.1)
    assert (tail.sum_log_ratio <= tail.count * math.log(2 / 1e-6)).all()


def test_the_hardest_negative_of_the_exceedances_is_that_of_the_tail():
    negatives = negatives_of(views_of(*batches.near_cap()).pooled())
    expected = negatives.hardest_shortfall
    torch.testing.assert_close(negatives.exceedances(0.1).hardest_shortfall, expected)
