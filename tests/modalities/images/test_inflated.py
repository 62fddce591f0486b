from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anchorwise._config import identity
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import CifarViews
from anchorwise.training.order import Shuffled, batch_sizes


@pytest.fixture
def generated(write_files, picture) -> Path:
    return write_files({f"{folder}/{number}.png": picture(number) for folder in ("a", "test") for number in range(10)})


def test_an_epoch_has_the_own_images_as_often_as_asked_and_the_others_once(generated: Path):
    splits = load_splits(DataConfig(num_train_images=30, extra=generated, repeat=3))
    samples = splits.pretrain
    assert (len(samples), len(samples.in_epoch)) == (50, 110)
    order = Shuffled(Shuffled.Config(), None, batch_sizes(110, batch_size=16))
    dealt = torch.cat([samples.in_epoch[places] for places in order.batches(110, seed=0, epoch=0)])
    assert torch.equal(dealt.bincount(), torch.tensor([3] * 30 + [1] * 20))
    assert samples.labels is None
    assert not samples.class_names
    assert torch.equal(samples.images[:30], splits.train.images)
    assert torch.equal(samples.images[30:, 0, 0, 0].sort().values, torch.arange(10).repeat_interleave(2))


def test_the_images_that_are_judged_stay_the_own_ones(generated: Path):
    plain, mixed = load_splits(DataConfig()), load_splits(DataConfig(extra=generated, repeat=2))
    assert torch.equal(plain.train.images, mixed.train.images)
    assert mixed.train.labels is not None
    assert mixed.train.times is None


def test_images_repeated_alone_keep_their_labels_and_take_no_more_memory():
    splits = load_splits(DataConfig(repeat=10))
    assert splits.pretrain.images.data_ptr() == splits.train.images.data_ptr()
    assert torch.equal(splits.pretrain.labels, splits.train.labels)
    assert len(splits.pretrain.in_epoch) == 10 * 1347


def test_a_repeated_image_has_one_number_and_other_views_each_time():
    samples = load_splits(DataConfig(num_train_images=20, repeat=2)).pretrain
    places = torch.tensor([4, 5, 8])  # Of an epoch: image 2 twice, and image 4.
    batch = replace(samples.batch(samples.in_epoch[places]), draws=places)
    assert batch.ids.tolist() == [2, 2, 4]
    assert batch.excluded_ids.tolist() == [2, 2, 4]
    views = RandomViews(CifarViews(), 1, 8)
    first = views(batch, seed=3)[0]
    assert not torch.equal(first[0], first[1])
    again = views(replace(batch, draws=None), seed=3)[0]
    assert torch.equal(again[0], again[1])


def test_others_take_the_size_and_the_channels_of_the_own_ones(write_files, picture):
    coloured = write_files({"a.png": picture((255, 0, 0), size=(20, 12))})
    images = load_splits(DataConfig(num_train_images=30, image_size_px=16, extra=coloured)).pretrain.images
    assert images.shape == (31, 1, 16, 16)
    assert int(images[-1, 0, 8, 8]) == 76  # The luma of red.


def test_others_have_the_numbers_and_groups_of_the_own_ones(generated: Path, write_files, picture):
    own = write_files({f"{kind}/{n}_{k}.png": picture(50) for kind in "xy" for n in range(4) for k in range(2)}, "own")
    where = {"source": str(own), "extra": generated}
    samples = load_splits(DataConfig(**where, group_pattern="(.+)_", values="brightness")).pretrain
    own_groups = samples.groups[:-20]
    assert len(samples.groups[-20:].unique()) == 20
    assert not torch.isin(samples.groups[-20:], own_groups).any()
    assert samples.values.shape == (len(samples),)
    assert float(samples.values[0]) == pytest.approx(100 * 50 / 255)


def test_others_that_are_not_there_or_do_not_fit_are_refused_in_words(tmp_path: Path, write_files, npy):
    with pytest.raises(FileNotFoundError, match="no folder or archive of images"):
        load_splits(DataConfig(extra=tmp_path / "nothing"))
    five = write_files({"a.npy": npy(torch.zeros(8, 8, 5, dtype=torch.uint8).numpy())})
    with pytest.raises(ValueError, match=r"data\.extra must have images of 1 channels as those of data\.source, got 5"):
        load_splits(DataConfig(extra=five))


def test_what_is_off_makes_no_other_run():
    assert not {"extra", "repeat"} & identity(DataConfig()).keys()
    assert identity(DataConfig(repeat=10))["repeat"] == 10
