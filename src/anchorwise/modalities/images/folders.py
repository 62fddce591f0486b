"""The splits and labels of a folder of images, or of an archive of one, from the names of its files.

Layouts, after the folders that lie around everything are taken off:

* `train/` beside `test/` (or `val/`, `valid/`, `validation/`; the first of these counts) are the splits, in capitals
  too. Images outside of them are skipped and named.
* Where there is no test folder, a seeded, stratified 20 % of the labelled images is the test split; images of one group
  stay together.
* In a split, `<class>/.../<image>` gives the labels; an image beside class folders is skipped and named. A split
  without folders is unlabelled.
* Where files beside the images give labels, as in WebDataset's shards (`sidecars` in this package), those count, and an
  image without one is skipped and named. Classes that are numbers are then in the order of their values.
* An unlabelled folder without a test folder is pretraining and training set at once, and has no test split.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise._warnings import warn
from anchorwise.modalities.groups import groups_of
from anchorwise.modalities.images.cache import Decoded
from anchorwise.modalities.images.config import DEFAULT_MAX_DECODED_GIB
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.layout import NEAR_SPLITS, TEST_FOLDERS, TRAIN_FOLDER
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Skipped, Splits
from anchorwise.modalities.selection import complement, held_out, stratified_indices

# n = images

TEST_FRACTION = 0.2


def load_folder(
    path: Path | str,
    *,
    image_size_px: int | None = None,
    seed: int = 0,
    max_decoded_gib: float = DEFAULT_MAX_DECODED_GIB,
    group_pattern: str | None = None,
    on_progress: OnProgress | None = None,
) -> Splits[ImageSet]:
    """Read a folder or archive of images.

    Args:
        path: Folder, `.tar`, `.tar.gz` or `.zip`.
        image_size_px: Height and width to resize to; None requires one size of all images.
        seed: Decides the test split where the folder brings none.
        max_decoded_gib: How much room the decoded images may take.
        group_pattern: Says by their names which images belong together (`anchorwise.modalities.groups`).
        on_progress: Told how far the reading is.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the archive is refused, nothing can be read, sizes differ, one split has classes and the other
            has none, or class folders are called as splits are.
    """
    decoded = read_images(path, image_size_px=image_size_px, max_decoded_gib=max_decoded_gib, on_progress=on_progress)
    return arrange(decoded, seed=seed, group_pattern=group_pattern)


def arrange(decoded: Decoded, *, seed: int, group_pattern: str | None = None) -> Splits[ImageSet]:
    """Sort images into splits, classes and groups by their names, as the layouts above say."""
    prefix = _common_folder(decoded.names)
    names = [name.removeprefix(prefix) for name in decoded.names]
    folders = {name.split("/")[0].lower(): name.split("/")[0] for name in names if "/" in name}
    broken = tuple(Skipped(name, reason) for name, reason in decoded.skipped)
    if folders.keys() and folders.keys() <= {*TEST_FOLDERS, *NEAR_SPLITS}:
        raise ValueError(
            f"the folders {', '.join(sorted(folders.values()))} look like splits; call them {TRAIN_FOLDER} and "
            f"{TEST_FOLDERS[0]}, or give the one with the class folders in it"
        )
    if TRAIN_FOLDER not in folders:
        classes = _classes(decoded, dict(enumerate(names)))
        whole = _part(decoded, classes, _class_names(decoded, classes.values()), "the folder")
        return _seeded_splits(_grouped(replace(whole, skipped=broken + whole.skipped), group_pattern), seed)
    test_folder = next((folder for folder in TEST_FOLDERS if folder in folders), None)
    inside = {
        folder: _classes(decoded, _inside(names, folders[folder]))
        for folder in (TRAIN_FOLDER, test_folder)
        if folder is not None
    }
    class_names = _class_names(decoded, [name for classes in inside.values() for name in classes.values()])
    parts = [_part(decoded, classes, class_names, f"{folder}/") for folder, classes in inside.items()]
    known = set().union(*inside.values())
    outside = tuple(
        Skipped(name, "lies outside of the folders of the splits")
        for i, name in enumerate(decoded.names)
        if i not in known
    )
    train = _grouped(replace(parts[0], skipped=broken + outside + parts[0].skipped), group_pattern)
    return Splits(train, train, parts[1]) if test_folder else _seeded_splits(train, seed)


def _common_folder(names: tuple[str, ...]) -> str:
    """Return the folders around every image, down to those of the splits, with a closing slash."""
    around = ""
    for level in zip(*(PurePosixPath(name).parent.parts for name in names), strict=False):
        if len(set(level)) > 1 or level[0].lower() == TRAIN_FOLDER:
            break
        around += f"{level[0]}/"
    return around


def _inside(names: list[str], folder: str) -> dict[int, str]:
    """Return index and remaining name of the images in a folder."""
    return {i: name.removeprefix(f"{folder}/") for i, name in enumerate(names) if name.startswith(f"{folder}/")}


def _classes(decoded: Decoded, rows: dict[int, str]) -> dict[int, str | None]:
    """Return index and class of images, None for those without, given their names inside of their split."""
    if decoded.classes:
        return {i: decoded.classes[i] for i in rows}
    return {i: name.split("/")[0] if "/" in name else None for i, name in rows.items()}


def _class_names(decoded: Decoded, classes: Iterable[str | None]) -> tuple[str, ...]:
    """Return every class once, in alphabetical order; numbers in files beside the images by their value."""
    found = {name for name in classes if name is not None}
    are_numbers = bool(decoded.classes) and all(map(str.isdecimal, found))
    return tuple(sorted(found, key=int if are_numbers else str))


def _part(decoded: Decoded, classes: dict[int, str | None], class_names: tuple[str, ...], where: str) -> ImageSet:
    """Return the images at the indices of `classes`; where there are classes at all, those that have one."""
    kept = [i for i, name in classes.items() if name is not None or not class_names]
    if not kept:
        raise ValueError(f"{where} must have class folders as the other split has, got images without; sort them")
    number: dict[str | None, int] = {name: label for label, name in enumerate(class_names)}
    labels = torch.tensor([number[classes[i]] for i in kept]) if class_names else None
    reason = "has no label beside it" if decoded.classes else "lies beside the class folders"
    stray = (Skipped(decoded.names[i], reason) for i in classes.keys() - set(kept))
    whole = ImageSet(decoded.images, None, (), decoded.names)
    skipped = tuple(sorted(stray, key=lambda item: item.name))
    return replace(whole.subset(torch.tensor(kept)), labels=labels, class_names=class_names, skipped=skipped)


def _grouped(train: ImageSet, pattern: str | None) -> ImageSet:
    """Return training images with their groups; those of a test folder are never split."""
    if pattern is None:
        return train
    groups = groups_of(train.names, pattern)
    if len(groups.unique()) == len(train):
        raise ValueError(
            f"data.group_pattern must put training images together, got {pattern!r}, by which each of the "
            f"{len(train):,} stands alone; their names are such as {train.names[0]!r}"
        )
    if train.labels is not None and (mixed := _num_mixed(groups, train.labels)):
        warn(
            f"data.group_pattern {pattern!r} puts images of several classes into one group, in {mixed:,} of "
            f"{len(groups.unique()):,} groups; if only the numbers in their names are alike, capture the folder too, "
            "as '(.+)_' does"
        )
    return replace(train, groups=groups)


def _num_mixed(groups: Int64[Tensor, " n"], labels: Int64[Tensor, " n"]) -> int:
    """Return in how many groups there is more than one class."""
    pairs = torch.stack([groups, labels]).unique(dim=1)
    return int((pairs[0].bincount() > 1).sum())


def _seeded_splits(whole: ImageSet, seed: int) -> Splits[ImageSet]:
    if whole.labels is None:
        return Splits(whole, whole, None)
    if len(whole) < 2:
        raise ValueError(f"a test split needs at least 2 images, got {len(whole)}; add images or a test/ folder")
    if whole.groups is None:
        test = stratified_indices(whole.labels, max(1, round(TEST_FRACTION * len(whole))), seed=seed)
    else:
        test = held_out(whole.labels, TEST_FRACTION, seed=seed, groups=whole.groups).nonzero().flatten()
    if not 0 < len(test) < len(whole):
        raise ValueError(
            "a test split needs a class of two groups or more, got none; add images, a test/ folder, or another "
            "data.group_pattern"
        )
    train = whole.subset(complement(test, len(whole)))
    return Splits(train, train, replace(whole.subset(test), skipped=()))
