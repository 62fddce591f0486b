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
