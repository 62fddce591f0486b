"""Labels and images of somebody's own Dataset, as their makers mean them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset

from anchorwise.modalities.own.items import as_array, as_tensor, unit
from anchorwise.modalities.own.samples import as_samples, numbered_alike

pytestmark = pytest.mark.usefixtures("as_users_call")


def test_pillow_images_of_palettes_and_bits_have_the_colours_that_they_show():
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 2, (4, 4, 3), dtype=np.uint8) * 255)
    palette = colours.convert("P", palette=Image.Palette.ADAPTIVE)
    assert torch.equal(as_tensor(palette), as_tensor(palette.convert("RGB")))
    assert as_array(palette).shape == (4, 4, 3)
    bits = np.eye(3, dtype=bool)
    for given in (bits, Image.fromarray(255 * bits.astype(np.uint8)).convert("1")):
        assert torch.equal(unit(as_tensor(given)), torch.eye(3).unsqueeze(0))


class Numbers(Dataset):
    """As torchvision's: targets of its own, and what changes them."""

    targets = (0, 1, 2, 3)
    classes = ("a", "b", "c", "d")

    def __init__(self, target_transform=None) -> None:
        self.target_transform = target_transform

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        raise AssertionError("labels are known without an item")


def test_targets_go_through_the_datasets_own_transform():
    samples = as_samples(Numbers(lambda label: label // 2))
    assert samples.labels.tolist() == [0, 0, 1, 1]
    assert samples.class_names == ("0", "1")


def test_labels_that_are_given_have_no_names_of_the_datasets_classes():
    assert as_samples(Numbers()).class_names == ("a", "b", "c", "d")
    assert as_samples(Numbers(), labels=[1, 0, 1, 0]).class_names == ("0", "1")


def test_a_stream_that_says_its_length_is_a_stream():
    class Counted(IterableDataset):
        def __iter__(self):
            yield torch.zeros(3)

        def __len__(self):
            return 4

    with pytest.raises(TypeError, match=r"samples must have items by number, got Counted, a stream; keep list"):
        as_samples(Counted())


class Table:
    """As a Dataset of Hugging Face whose transform gives pixels alone."""

    column_names = ("image", "label")

    def __init__(self, *, is_changed: bool = True) -> None:
        self.is_changed = is_changed

    def __len__(self) -> int:
        return 2

    def with_format(self, kind):
        return Table(is_changed=False)

    def __getitem__(self, key):
        if key == "label":
            if self.is_changed:
                raise KeyError(key)
            return [1, 0]
        return {"pixel_values": torch.zeros(3, 2, 2)}


def test_a_transform_that_leaves_out_labels_is_gone_round():
    assert as_samples(Table(), image_column="pixel_values").labels.tolist() == [1, 0]


def test_classes_of_both_parts_are_numbered_alike():
    train, test = (as_samples(torch.rand(len(labels), 3), labels=labels) for labels in ([3, 5, 8, 12], [12, 5]))
    train, test = numbered_alike(train, test)
    assert train.class_names == test.class_names == ("3", "5", "8", "12")
    assert test.labels.tolist() == [3, 1]
