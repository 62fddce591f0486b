import math
from typing import Any

import pytest
import torch

from anchorwise import synthetic
from anchorwise.tails import block_bootstrap, hill_estimate


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_mean_has_the_standard_error_of_its_block_means():
    # Equal blocks: the mean of 40 block means, whose bootstrap variance is their (population) variance / 40.
    scores = torch.randn(3, 200, generator=generator(), dtype=torch.float64)
    blocks = torch.arange(40).repeat(5)
    result = block_bootstrap(lambda s: s.mean(dim=1), scores, blocks=blocks, num_resamples=1000, generator=generator(1))
    means = scores.view(3, 5, 40).mean(dim=1)
    expected = means.std(dim=1, correction=0) / math.sqrt(40)
    # A standard deviation of 1,000 draws is good to 2.2 %; three of them.
    torch.testing.assert_close(result.standard_error, expected, rtol=0.065, atol=0.0)
    torch.testing.assert_close(result.estimate, scores.mean(dim=1))
    assert result.converged.all()
    assert result.replicates.shape == (1000, 3)
    assert result.message == ""


def test_blocks_stay_whole():
    # Column number stands for the column; every resample must hold each block's columns equally often.
    blocks = torch.tensor([3, 9, 9, 3, 5, 9] * 10) + 10 * torch.arange(10).repeat_interleave(6)
    scores = torch.arange(60.0).unsqueeze(0)

    def count_apart(sample):
        counts = torch.bincount(sample[0].long(), minlength=60)
        whole = [len(counts[blocks == block].unique()) == 1 for block in blocks.unique()]
        return torch.tensor(float(all(whole)))

    assert (block_bootstrap(count_apart, scores, blocks=blocks, generator=generator()).replicates == 1.0).all()


def test_a_statistic_that_returns_no_tensor_is_told_so():
    def whole(sample: torch.Tensor) -> Any:
        return hill_estimate(sample, num_tail=8)

    scores, blocks = torch.rand(2, 40, generator=generator()), torch.arange(40)
    with pytest.raises(TypeError, match=r"statistic must return a tensor, got .*HillEstimate; of an estimate return"):
        block_bootstrap(whole, scores, blocks=blocks, generator=generator())


def test_rows_move_with_their_block():
    scores = torch.arange(6.0).unsqueeze(1) * 100 + torch.arange(6.0)
    samples = torch.tensor([0, 1, 2, 0, 1, 2])

    def same_samples(sample):
        rows, columns = (sample[:, 0] // 100).long(), (sample[0] % 100).long()
        return torch.tensor(float(samples[rows].sort().values.equal(samples[columns].sort().values)))

    result = block_bootstrap(same_samples, scores, blocks=samples, row_blocks=samples, generator=generator())
    assert (result.replicates == 1.0).all()
    assert result.message == "3 blocks: intervals from fewer than 30 are too short"


@pytest.mark.whole
def test_intervals_for_independent_scores_are_too_short_in_clusters_and_blocks_mend_some_of_it():
    truth, plain, blocked = hill_truth(), [], []
    for seed in range(25):
        draws = generator(seed)
        clusters = synthetic.clustered_points(100, 10, dimension=16, spread=0.5, generator=draws)
        scores = synthetic.sphere_points(8, dimension=16, generator=draws) @ clusters.points.T
        estimate = hill_estimate(scores, num_tail=100)
        interval = block_bootstrap(
            lambda s: hill_estimate(s, num_tail=100).exponent,
            scores,
            blocks=clusters.cluster_ids,
            num_resamples=60,
            generator=draws,
        )
        plain.append((estimate.low <= truth) & (truth <= estimate.high))
        blocked.append((interval.low <= truth) & (truth <= interval.high))
    # The report measures 72 and 84 %. Of 200 intervals, eight to a set of clusters, a share is good to some 4 %.
    covered, covered_by_blocks = (float(torch.stack(rows).double().mean()) for rows in (plain, blocked))
    assert covered < 0.84
    assert covered_by_blocks > covered + 0.04


def hill_truth():
    """Hill's exponent of the same law and depth, from independent scores: 100,000 tail points, good to 0.3 %."""
    scores = synthetic.sphere_scores((1, 1_000_000), dimension=16, generator=generator())
    return float(hill_estimate(scores, num_tail=100_000).exponent)


def test_statistics_without_a_value_are_reported():
    result = block_bootstrap(
        lambda s: hill_estimate(s, num_tail=50).exponent,
        torch.full((2, 100), 0.5),
        blocks=torch.arange(100),
        num_resamples=5,
        generator=generator(),
    )
    assert not result.converged.any()
    assert result.low.isnan().all()


def test_one_block_gives_no_interval():
    scores = torch.randn(1, 20, generator=generator())
    result = block_bootstrap(
        lambda s: s.mean(), scores, blocks=torch.zeros(20, dtype=torch.long), generator=generator()
    )
    assert not result.converged
