import pytest
import torch

from anchorwise.modalities.seeds import mixed_seed
from anchorwise.training.order import ClassBalanced, OnePerGroup, batch_sizes, epoch_batches, num_batches
from anchorwise.training.orders import ORDERS

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
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(epoch_batches(100, batch_size=100, seed=seed, epoch=epoch)[0].tolist())

    assert order(1, 2) == order(1, 2)
    assert len({order(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


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
        (
            {"batch_size": 40, "drop_last": True},
            "leaves no batch of 10 samples at batch_size 40; use smaller batches or drop_last=False",
        ),
    ],
)
def test_impossible_orders_are_refused_with_the_way_out(arguments, words):
    with pytest.raises(ValueError, match=words):
        epoch_batches(10, **{"seed": 0, "epoch": 0, **arguments})


def test_mixed_seeds_fit_a_generator_and_do_not_collide_for_neighbours():
    seeds = {mixed_seed(a, b, c) for a in range(20) for b in range(20) for c in range(5)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


# 3 classes of 30, 12 and 8 samples, in no order.
LABELS = torch.tensor([0] * 30 + [1] * 12 + [2] * 8)[torch.randperm(50, generator=torch.Generator().manual_seed(0))]


def _balanced(epoch: int, *, batch_size: int, rank: int = 0, world_size: int = 1) -> list[torch.Tensor]:
    cut = {"batch_size": batch_size, "world_size": world_size}
    order = ClassBalanced(ClassBalanced.Config(), LABELS, batch_sizes(50, **cut))
    return order.batches(50, seed=0, epoch=epoch, rank=rank, world_size=world_size)


@pytest.mark.parametrize("batch_size", [2, 9, 10, 24])
def test_every_class_is_equally_often_in_a_balanced_batch_and_no_sample_twice(batch_size: int):
    seen: list[int] = []
    for epoch in range(3):
        for batch in _balanced(epoch, batch_size=batch_size):
            counts = torch.bincount(LABELS[batch], minlength=3)
            assert counts.max() - counts.min() <= 1
            assert len(batch.unique()) == len(batch)
            seen += batch.tolist()
    assert len(seen) == 150
    # Of the smallest class all come equally often within an epoch, up to one.
    first = torch.cat(_balanced(0, batch_size=batch_size))
    times = torch.bincount(first, minlength=50)[LABELS == 2]
    assert times.max() - times.min() <= 2


def test_balanced_batches_depend_on_seed_and_epoch_alone_on_any_number_of_ranks():
    alone = _balanced(1, batch_size=10)
    parts = [_balanced(1, batch_size=10, rank=rank, world_size=2) for rank in range(2)]
    for whole, *shares in zip(alone, *parts, strict=True):
        assert torch.equal(torch.cat(shares), whole)
    assert not torch.equal(torch.cat(alone), torch.cat(_balanced(2, batch_size=10)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "order.name=class_balanced needs labelled samples; these have none: take shuffled"),
        (LABELS, "wants 9 samples of each of 3 classes in a batch of 25, .* has 8; take train.batch_size up to 24"),
    ],
)
def test_balanced_batches_that_cannot_be_are_refused_with_the_way_out(labels, words: str):
    with pytest.raises(ValueError, match=words):
        ClassBalanced(ClassBalanced.Config(), labels, [25, 25])


GROUPS = torch.tensor([5] * 30 + [2] * 4 + [9] * 10 + [7] * 6)


def _one_per_group(epoch: int, batch_size: int = 3, **among: int) -> list[torch.Tensor]:
    sizes = batch_sizes(len(GROUPS), batch_size=batch_size, drop_last=True)
    return OnePerGroup(OnePerGroup.Config(), None, sizes, GROUPS).batches(len(GROUPS), seed=3, epoch=epoch, **among)


def test_a_batch_has_no_group_twice_and_an_epoch_all_equally_often():
    batches = _one_per_group(0)
    assert [len(batch) for batch in batches] == [3] * 16
    assert all(len(GROUPS[batch].unique()) == 3 for batch in batches)
    seen = torch.cat(batches)
    assert GROUPS[seen].unique(return_counts=True)[1].tolist() == [12] * 4
    # Of the smallest all come before one comes again.
    assert torch.bincount(seen, minlength=50)[GROUPS == 2].tolist() == [3] * 4


def test_groups_are_dealt_by_seed_and_epoch_alone_on_any_number_of_ranks():
    parts = [_one_per_group(1, rank=rank, world_size=2) for rank in range(2)]
    for whole, *shares in zip(_one_per_group(1), *parts, strict=True):
        assert torch.equal(torch.cat(shares), whole)
    assert not torch.equal(torch.cat(_one_per_group(1)), torch.cat(_one_per_group(2)))


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (None, "order.name=one_per_group needs samples in groups, .* take shuffled"),
        (GROUPS, "got 4 groups for batches of 25; take train.batch_size up to 4, with train.drop_last=true"),
    ],
)
def test_fewer_groups_than_a_batch_has_places_are_refused_with_the_way_out(groups, words: str):
    with pytest.raises(ValueError, match=words):
        OnePerGroup(OnePerGroup.Config(), None, [25, 25], groups)


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_is_registered_under_the_name_of_its_settings(name: str):
    assert ORDERS[name].Config().name == name
