from dataclasses import replace

import pytest
import torch

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.samples import Skipped, Splits
from anchorwise.modalities.selection import balanced_indices, complement, stratified_indices
from tests.modalities.images.conftest import class_counts


def image_set(labels: list[int] | None, size_px: int = 4) -> ImageSet:
    n = 10 if labels is None else len(labels)
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).repeat(1, 3, size_px, size_px)
    names = tuple(f"{i}.png" for i in range(n))
    if labels is None:
        return ImageSet(images, None, (), names)
    return ImageSet(images, torch.tensor(labels), tuple("abc"), names)


def test_a_balanced_subset_takes_equally_many_of_every_class():
    chosen = image_set([0] * 20 + [1] * 10 + [2] * 30).balanced_subset(18, seed=0)
    assert class_counts(chosen) == [6, 6, 6]


def test_a_class_that_is_used_up_leaves_its_share_to_the_others():
    chosen = image_set([0] * 20 + [1] * 2 + [2] * 30).balanced_subset(22, seed=0)
    assert class_counts(chosen) == [10, 2, 10]


def test_a_remainder_spreads_over_classes_without_favour():
    chosen = [image_set([0, 1, 2] * 10).balanced_subset(4, seed=seed) for seed in range(300)]
    counts = torch.tensor([class_counts(each) for each in chosen])
    assert set(counts.unique().tolist()) == {1, 2}
    # Each class gets the extra image in a third of the draws; standard error 0.027, so 0.12 is over four of them.
    assert (counts.float().mean(0) - 4 / 3).abs().max() < 0.12


def test_a_subset_depends_on_its_seed_alone_and_smaller_ones_lie_inside_larger_ones():
    labels = torch.tensor([0, 1, 2] * 20)
    assert torch.equal(balanced_indices(labels, 9, seed=1), balanced_indices(labels, 9, seed=1))
    assert not torch.equal(balanced_indices(labels, 9, seed=1), balanced_indices(labels, 9, seed=2))
    assert set(balanced_indices(labels, 9, seed=1).tolist()) < set(balanced_indices(labels, 30, seed=1).tolist())


def test_an_unlabelled_set_gives_a_random_subset():
    chosen = image_set(None).balanced_subset(4, seed=0)
    assert len(chosen) == 4
    assert chosen.labels is None
    assert len(set(chosen.names)) == 4


def test_a_stratified_choice_keeps_the_proportions_of_the_classes():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    chosen = stratified_indices(labels, 20, seed=0)
    assert torch.bincount(labels[chosen]).tolist() == [12, 6, 2]
    assert sorted(chosen.tolist() + complement(chosen, 100).tolist()) == list(range(100))


def test_a_contiguous_subset_shares_memory_and_any_subset_keeps_rows_together():
    whole = image_set([0, 1, 2] * 3)
    view = whole.subset(torch.arange(2, 6))
    assert view.images.untyped_storage().data_ptr() == whole.images.untyped_storage().data_ptr()
    picked = whole.subset(torch.tensor([7, 0, 0]))
    assert picked.images[:, 0, 0, 0].tolist() == [7, 0, 0]
    assert picked.names == ("7.png", "0.png", "0.png")
    assert picked.labels is not None
    assert picked.labels.tolist() == [1, 0, 0]
    grouped = replace(whole, groups=torch.arange(9) // 2)
    assert grouped.subset(torch.tensor([7, 0, 0])).groups.tolist() == [3, 0, 0]


def test_a_set_knows_its_channels_and_size():
    whole = image_set(None, size_px=6)
    assert (len(whole), whole.num_channels, whole.size_px, whole.what) == (10, 3, (6, 6), "10 images of 3 x 6 x 6")


@pytest.mark.parametrize("num_images", [0, 11])
def test_more_images_than_there_are_or_none_at_all_are_refused(num_images):
    with pytest.raises(ValueError, match="num_images must be"):
        image_set(None).balanced_subset(num_images, seed=0)


@pytest.mark.usefixtures("as_users_call")
def test_parts_that_do_not_fit_together_are_refused():
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="names must name each of the 2 images"):
        ImageSet(images, None, (), ("a",))
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0"):
        ImageSet(images, torch.tensor([0, 1]), ("a",), ("a", "b"))
    with pytest.raises(ValueError, match=r"images must be uint8 of shape \(images, channels, height, width\), got"):
        ImageSet(images[0], None, (), ("a",))
    with pytest.raises(ValueError, match=r"groups must be int64 of shape \(2,\)"):
        ImageSet(images, None, (), ("a", "b"), groups=torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one image"):
        image_set(None).subset(torch.zeros(0, dtype=torch.int64))


def test_splits_list_every_skipped_image_once():
    images = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    train = ImageSet(images, None, (), ("a",), (Skipped("b", "broken"),))
    assert Splits(train, train, train).skipped == (Skipped("b", "broken"),)


def test_brightness_is_a_value_of_every_image_that_subsets_and_batches_keep():
    images = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    images[1], images[2, 0, 0] = 255, 51
    valued = ImageSet(images, None, (), ("a", "b", "c")).with_brightness()
    assert valued.values.tolist() == pytest.approx([0.0, 100.0, 10.0])
    chosen = valued.subset(torch.tensor([2, 1]))
    assert chosen.batch(torch.tensor([0])).values.tolist() == pytest.approx([10.0])
    assert chosen.batch(torch.tensor([0])).to(torch.device("cpu")).values.tolist() == pytest.approx([10.0])
