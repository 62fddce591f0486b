import pytest
import torch

from anchorwise.modalities.groups import groups_of
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.folders import load_folder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.training.near_duplicates import near_duplicates


def image_set(images: torch.Tensor, names: list[str], groups: torch.Tensor | None = None) -> ImageSet:
    return ImageSet(images, torch.arange(len(images)) % 2, ("a", "b"), tuple(names), groups=groups)


def test_names_with_the_same_captured_text_are_one_group_and_others_stand_alone():
    names = ["a/1_0.png", "a/1_1.png", "b/1_0.png", "other.png", "b/1_2.png"]
    assert groups_of(names, r"(.+)_\d").tolist() == [0, 0, 1, 2, 1]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(.+", r"data.group_pattern must be a regular expression, got '\(\.\+': missing \)"),
        (".+_", r"data.group_pattern must have parentheses around what names in one group have in common, got"),
    ],
)
def test_a_pattern_that_says_no_group_is_refused(pattern: str, message: str):
    with pytest.raises(ValueError, match=message):
        DataConfig(source="photos/", group_pattern=pattern)


def test_the_test_split_of_a_folder_without_one_has_no_group_on_both_sides(write_files, picture):
    photos = {f"{name}/{track}_{photo}.png": picture(9) for name in "ab" for track in range(8) for photo in range(5)}
    splits = load_folder(write_files(photos), group_pattern="(.+)_")
    tracks = [{name.rpartition("_")[0] for name in part.names} for part in (splits.train, splits.test)]
    assert not tracks[0] & tracks[1]
    assert (len(splits.train), len(splits.test)) == (60, 20)
    first = splits.train.subset(torch.arange(10)).groups
    assert first.unique_consecutive(return_counts=True)[1].tolist() == [5, 5]


def test_a_pattern_by_which_every_image_stands_alone_is_refused(write_files, picture):
    photos = {f"{label}/{i}.png": picture(1) for label in "ab" for i in (1, 2)}
    with pytest.raises(ValueError, match=r"must put training images together, got '\(\.\*\)', by which each of the 4"):
        load_folder(write_files(photos), group_pattern="(.*)")


def test_a_pattern_that_takes_tracks_of_two_classes_for_one_is_warned_of(write_files, picture):
    photos = {f"{name}/{track}_{photo}.png": picture(9) for name in "ab" for track in range(8) for photo in range(5)}
    with pytest.warns(UserWarning, match=r"images of several classes into one group, in 8 of 8 groups; .* '\(\.\+\)_'"):
        load_folder(write_files(photos), group_pattern=r"(\d+)_\d+")


def test_tracks_of_near_equal_photographs_are_recognised_with_the_pattern_that_parts_them():
    generator = torch.Generator().manual_seed(0)
    tracks = torch.randint(0, 240, (40, 3, 8, 8), generator=generator)
    photos = tracks.repeat_interleave(5, 0).repeat_interleave(2, 2).repeat_interleave(2, 3)
    photos = (photos + torch.randint(0, 10, photos.shape, generator=generator)).to(torch.uint8)
    names = [f"{track:03}_{photo}.png" for track in range(40) for photo in range(5)]
    found = near_duplicates(image_set(photos, names))
    assert found.share > 0.9
    assert "for instance data.group_pattern='(.+)_'" in str(found)
    assert near_duplicates(image_set(photos, [str(i) for i in range(200)])).pattern is None
    assert near_duplicates(image_set(photos, names, groups=groups_of(names, found.pattern))) is None


def test_images_that_are_only_of_the_same_kind_are_no_near_duplicates():
    images = torch.randint(0, 256, (200, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert near_duplicates(image_set(images, [str(i) for i in range(200)])) is None
