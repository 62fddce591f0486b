"""The splits and labels of a folder of images, or of an archive of one, from the names of its files.

Layouts, after the folders that lie around everything are taken off:

* `train/` beside `test/` (or `val/`, `valid/`, `validation/`; the first of these counts) are the splits, in capitals
  too. Images outside of them are skipped and named.
* Where there is no test folder, a seeded, stratified 20 % of the labelled images is the test split.
* In a split, `<class>/.../<image>` gives the labels; an image beside class folders is skipped and named. A split
  without folders is unlabelled.
* An unlabelled folder without a test folder is pretraining and training set at once, and has no test split.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from anchorwise.data.cache import Decoded
from anchorwise.data.images import ImageSet, SkippedImage, Splits
from anchorwise.data.reading import read_images
from anchorwise.data.selection import complement, stratified_indices

TRAIN_FOLDER = "train"
TEST_FOLDERS = ("test", "val", "valid", "validation")
NEAR_SPLITS = ("training", "testing", "eval", "evaluation", "dev")  # Not known as splits, and no classes either.
TEST_FRACTION = 0.2


def load_folder(path: Path, *, image_size_px: int | None = None, seed: int = 0) -> Splits:
    """Read a folder or archive of images.

    Args:
        path: Folder, `.tar`, `.tar.gz` or `.zip`.
        image_size_px: Height and width to resize to; None requires one square size of all images.
        seed: Decides the test split where the folder brings none.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the archive is refused, nothing can be read, sizes differ, one split has classes and the other
            has none, or class folders are called as splits are.
    """
    return arrange(read_images(path, image_size_px=image_size_px), seed=seed)


def arrange(decoded: Decoded, *, seed: int) -> Splits:
    """Sort images into splits and classes by their names, as the layouts above say."""
    prefix = _common_folder(decoded.names)
    names = [name.removeprefix(prefix) for name in decoded.names]
    folders = {name.split("/")[0].lower(): name.split("/")[0] for name in names if "/" in name}
    broken = tuple(SkippedImage(name, reason) for name, reason in decoded.skipped)
    if folders.keys() and folders.keys() <= {*TEST_FOLDERS, *NEAR_SPLITS}:
        raise ValueError(
            f"the folders {', '.join(sorted(folders.values()))} look like splits; call them {TRAIN_FOLDER} and "
            f"{TEST_FOLDERS[0]}, or give the one with the class folders in it"
        )
    if TRAIN_FOLDER not in folders:
        whole = _part(decoded, dict(enumerate(names)), _class_names(names), "the folder")
        return _seeded_splits(replace(whole, skipped=broken + whole.skipped), seed)
    test_folder = next((folder for folder in TEST_FOLDERS if folder in folders), None)
    inside = {folder: _inside(names, folders[folder]) for folder in (TRAIN_FOLDER, test_folder) if folder is not None}
    class_names = _class_names(name for rows in inside.values() for name in rows.values())
    parts = [_part(decoded, rows, class_names, f"{folder}/") for folder, rows in inside.items()]
    known = set().union(*inside.values())
    outside = tuple(
        SkippedImage(name, "lies outside of the folders of the splits")
        for i, name in enumerate(decoded.names)
        if i not in known
    )
    train = replace(parts[0], skipped=broken + outside + parts[0].skipped)
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


def _class_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.split("/")[0] for name in names if "/" in name}))


def _part(decoded: Decoded, rows: dict[int, str], class_names: tuple[str, ...], where: str) -> ImageSet:
    """Return the images at the indices `rows`, labelled by the first folder of their remaining names."""
    kept = [i for i, name in rows.items() if "/" in name or not class_names]
    if not kept:
        raise ValueError(f"{where} must have class folders as the other split has, got images without; sort them")
    number = {name: label for label, name in enumerate(class_names)}
    labels = torch.tensor([number[rows[i].split("/")[0]] for i in kept]) if class_names else None
    stray = (SkippedImage(decoded.names[i], "lies beside the class folders") for i in rows.keys() - set(kept))
    whole = ImageSet(decoded.images, None, (), decoded.names)
    skipped = tuple(sorted(stray, key=lambda item: item.name))
    return replace(whole.subset(torch.tensor(kept)), labels=labels, class_names=class_names, skipped=skipped)


def _seeded_splits(whole: ImageSet, seed: int) -> Splits:
    if whole.labels is None:
        return Splits(whole, whole, None)
    if len(whole) < 2:
        raise ValueError(f"a test split needs at least 2 images, got {len(whole)}; add images or a test/ folder")
    test = stratified_indices(whole.labels, max(1, round(TEST_FRACTION * len(whole))), seed=seed)
    train = whole.subset(complement(test, len(whole)))
    return Splits(train, train, replace(whole.subset(test), skipped=()))
