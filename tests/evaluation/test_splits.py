import pytest
import torch

from anchorwise.evaluation.splits import stratified_split


def test_every_class_gives_the_same_share_and_no_row_is_lost():
    labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 10)
    split = stratified_split(labels, validation_fraction=0.2, seed=0)
    assert labels[split.validation].bincount().tolist() == [10, 4, 2]
    assert torch.cat([split.train, split.validation]).sort().values.tolist() == list(range(80))


def test_the_seed_decides_the_split():
    labels = torch.arange(100) % 4
    first, again, other = (stratified_split(labels, validation_fraction=0.2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.validation, again.validation)
    assert not torch.equal(first.validation, other.validation)


def test_small_classes_stay_in_training():
    split = stratified_split(torch.tensor([0, 0, 1]), validation_fraction=0.9, seed=0)
    assert len(split.validation) == 1
    assert 2 in split.train.tolist()


def test_classes_of_one_row_each_cannot_be_split():
    with pytest.raises(ValueError, match="labels must name a class of two or more rows, got 3 rows"):
        stratified_split(torch.arange(3), validation_fraction=0.2, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(ValueError, match="validation_fraction must lie between 0 and 1"):
        stratified_split(torch.zeros(4, dtype=torch.int64), validation_fraction=fraction, seed=0)


def test_a_group_is_on_one_side_and_every_class_gives_its_share():
    groups = torch.arange(60).repeat_interleave(10)
    labels = groups % 3
    split = stratified_split(labels, validation_fraction=0.2, seed=0, groups=groups)
    assert not set(groups[split.train].tolist()) & set(groups[split.validation].tolist())
    assert labels[split.validation].bincount().tolist() == [40, 40, 40]


def test_groups_of_unlike_sizes_come_as_near_to_the_share_as_whole_groups_can():
    groups = torch.cat([torch.full((size,), number) for number, size in enumerate((70, 20, 5, 5))])
    for seed in range(8):
        split = stratified_split(torch.zeros(100).long(), validation_fraction=0.2, seed=seed, groups=groups)
        assert 10 <= len(split.validation) <= 30


def test_of_two_large_groups_the_smaller_is_held_out():
    groups = torch.tensor([7] * 30 + [3] * 20)
    split = stratified_split(torch.zeros(50).long(), validation_fraction=0.1, seed=0, groups=groups)
    assert set(groups[split.validation].tolist()) == {3}


def test_a_group_of_several_classes_is_decided_on_once():
    groups = torch.arange(40).repeat(2)
    labels = torch.tensor([0] * 40 + [1] * 40)
    split = stratified_split(labels, validation_fraction=0.25, seed=0, groups=groups)
    assert labels[split.validation].bincount().tolist() == [10, 10]
    assert not set(groups[split.train].tolist()) & set(groups[split.validation].tolist())


def test_classes_of_one_group_each_cannot_be_split():
    labels = torch.arange(3).repeat_interleave(5)
    with pytest.raises(ValueError, match="labels must name a class of two or more groups, got 15 rows of which every"):
        stratified_split(labels, validation_fraction=0.2, seed=0, groups=labels)
