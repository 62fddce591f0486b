import pytest
import torch

from anchorwise.training.order import epoch_batches, epoch_order, mixed_seed, num_batches

CASES = [(10, 4, 1), (10, 4, 2), (10, 3, 3), (9, 4, 2), (13, 4, 3), (7, 7, 7), (3, 100, 2), (17, 5, 4)]


@pytest.mark.parametrize(("num_images", "batch_size", "world_size"), CASES)
def test_every_image_is_seen_once_and_no_rank_is_ever_empty(num_images, batch_size, world_size):
    parts = [
        epoch_batches(num_images, batch_size=batch_size, seed=3, epoch=1, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert {len(part) for part in parts} == {num_batches(num_images, batch_size=batch_size, world_size=world_size)}
    seen = torch.cat([batch for part in parts for batch in part])
    assert sorted(seen.tolist()) == list(range(num_images))
    for shares in zip(*parts, strict=True):
        sizes = [len(share) for share in shares]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1


def test_the_ranks_together_have_the_batches_of_one_process():
    alone = epoch_batches(50, batch_size=8, seed=0, epoch=2)
    parts = [epoch_batches(50, batch_size=8, seed=0, epoch=2, rank=rank, world_size=2) for rank in range(2)]
    for whole, *shares in zip(alone, *parts, strict=True):
        assert torch.equal(torch.cat(shares), whole)


def test_a_last_batch_smaller_than_the_ranks_joins_the_one_before():
    sizes = [len(batch) for batch in epoch_batches(9, batch_size=4, seed=0, epoch=0, rank=0, world_size=2)]
    assert sizes == [2, 3]  # Global batches of 4 and 4 + 1.


def test_a_last_batch_of_one_image_joins_the_one_before():
    assert [len(batch) for batch in epoch_batches(9, batch_size=4, seed=0, epoch=0)] == [4, 5]
    assert [len(batch) for batch in epoch_batches(1, batch_size=4, seed=0, epoch=0)] == [1]


def test_the_order_depends_on_seed_and_epoch_alone():
    assert torch.equal(epoch_order(100, seed=1, epoch=2), epoch_order(100, seed=1, epoch=2))
    orders = [epoch_order(100, seed=seed, epoch=epoch) for seed in range(3) for epoch in range(3)]
    assert len({tuple(order.tolist()) for order in orders}) == 9


def test_drawing_batches_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    epoch_batches(20, batch_size=4, seed=1, epoch=0)
    assert torch.equal(before, torch.get_rng_state())


def test_dropping_the_last_batch_leaves_full_ones_only():
    batches = epoch_batches(11, batch_size=4, seed=0, epoch=0, drop_last=True)
    assert [len(batch) for batch in batches] == [4, 4]
    assert num_batches(11, batch_size=4, drop_last=True) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 4, "epoch": -1}, "epoch must be a whole number of at least 0, got -1"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, r"rank must lie in 0\.\.1"),
        ({"batch_size": 4, "world_size": 5}, "start fewer processes"),
        ({"batch_size": 40, "drop_last": True}, "use smaller batches or drop_last=False"),
    ],
)
def test_impossible_orders_are_refused_with_the_way_out(arguments, words):
    with pytest.raises(ValueError, match=words):
        epoch_batches(10, **{"seed": 0, "epoch": 0, **arguments})


def test_mixed_seeds_fit_a_generator_and_do_not_collide_for_neighbours():
    seeds = {mixed_seed(a, b, c) for a in range(20) for b in range(20) for c in range(5)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)
