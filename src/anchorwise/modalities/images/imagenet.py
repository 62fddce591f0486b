"""Small versions of ImageNet from a local copy: ImageNet-32 and Tiny-ImageNet. Neither may be downloaded for the user.

ImageNet-32: Chrabaszcz, Loshchilov and Hutter 2017, https://arxiv.org/abs/1707.08819. It is published as pickles and as
`.npz`. Only the `.npz` form is read, with pickles disabled: no checksums are published for the others. The checksums
below are those that the readers of several public repositories agree on.
Tiny-ImageNet: Stanford CS231n, http://cs231n.stanford.edu/tiny-imagenet-200.zip.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from anchorwise import _files
from anchorwise.modalities.archives import read_archive
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.folders import arrange
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits

TINY_IMAGENET_FILE = "tiny-imagenet-200.zip"
TINY_IMAGENET_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
IMAGENET32_TRAIN_MD5 = {
    "train_data_batch_1.npz": "464fde20de6eb44c28cc1a8c11544bb1",
    "train_data_batch_2.npz": "bdb56e71882c3fd91619d789d5dd7c79",
    "train_data_batch_3.npz": "83ff36d76ea26867491a281ea6e1d03b",
    "train_data_batch_4.npz": "98ff184fe109d5c2a0f6da63843880c7",
    "train_data_batch_5.npz": "62b8803e13c3e6de9498da7aaaae57c8",
    "train_data_batch_6.npz": "e0b06665f890b029f1d8d0a0db26e119",
    "train_data_batch_7.npz": "9731f469aac1622477813c132c5a847a",
    "train_data_batch_8.npz": "60aed934b9d26b7ee83a1a83bdcfbe0f",
    "train_data_batch_9.npz": "b96328e6affd718660c2561a6fe8c14c",
    "train_data_batch_10.npz": "1dc618d544c554220dd118f72975470c",
}
IMAGENET32_TEST_MD5 = {"val_data.npz": "a8c04a389f2649841fb7a01720da9dd9"}

_NUM_CLASSES = 1000
_SIZE_PX = 32


def load_imagenet32(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read the `.npz` batches in `root`, or in `Imagenet32_train_npz/` and `Imagenet32_val_npz/` below it.

    The validation images are the test split. Labels follow the authors' order, counted from 0 instead of 1.

    Raises:
        FileNotFoundError: If a batch is missing.
        ValueError: If a checksum differs, or a batch does not hold what it should.
    """
    train = _load_batches(root, "Imagenet32_train_npz", IMAGENET32_TRAIN_MD5, config.verify_checksums)
    test = _load_batches(root, "Imagenet32_val_npz", IMAGENET32_TEST_MD5, config.verify_checksums)
    return Splits(train, train, test)


def load_tiny_imagenet(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read `tiny-imagenet-200.zip` in `root` without unpacking it; the validation images are the test split.

    Raises:
        FileNotFoundError: If the archive is missing.
        ValueError: If its checksum differs, it is refused, or its annotations do not name every validation image.
    """
    path = root / TINY_IMAGENET_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"no {TINY_IMAGENET_FILE} in {root.absolute()}; fetch it from "
            f"http://cs231n.stanford.edu/{TINY_IMAGENET_FILE} and name its folder with data.root"
        )
    if config.verify_checksums:
        _verify(path, TINY_IMAGENET_MD5)
    decoded = read_images(
        path,
        image_size_px=config.image_size_px,
        leave_out=("test",),  # These images have no labels.
        max_decoded_gib=config.max_decoded_gib,
        on_progress=on_progress,
    )
    class_of = _validation_classes(path)
    return arrange(
        replace(decoded, names=tuple(_with_class(name, class_of) for name in decoded.names)), seed=config.seed
    )


def _load_batches(root: Path, folder: str, checksums: dict[str, str], verify: bool) -> ImageSet:
    paths = [_find(root, folder, name) for name in checksums]
    if verify:
        for path in paths:
            _verify(path, checksums[path.name])
    batches = [_load_batch(path) for path in paths]
    labels = np.concatenate([labels for _, labels in batches])
    images = np.concatenate([images for images, _ in batches])
    class_names = tuple(map(str, range(_NUM_CLASSES)))
    names = tuple(map(str, range(len(images))))
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels), class_names, names)


def _find(root: Path, folder: str, name: str) -> Path:
    for path in (root / folder / name, root / name):
        if path.is_file():
            return path
    pickled = next((path for path in root.rglob(name.removesuffix(".npz")) if path.is_file()), None)
    found = f"; {pickled} is a pickle, which can run code and is not read" if pickled else ""
    raise FileNotFoundError(
        f"no {name} in {root.absolute()} or its {folder}/{found}. Fetch {folder}.zip from "
        "https://image-net.org/download-images (the npz form, registration needed), unpack it there, and name the "
        "folder with data.root"
    )


def _load_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images, shape (images, 3, 32, 32), and labels from 0."""
    with _files.reading(path), np.load(path, allow_pickle=False) as batch:
        images, labels = batch["data"], np.asarray(batch["labels"], np.int64) - 1
    if images.dtype != np.uint8 or images.shape != (len(labels), 3 * _SIZE_PX**2):
        raise ValueError(
            f"{path} must hold uint8 data of shape (images, {3 * _SIZE_PX**2}), got {images.dtype} {images.shape}"
        )
    return images.reshape(-1, 3, _SIZE_PX, _SIZE_PX), labels


def _verify(path: Path, md5: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(
            f"{path} must have the published MD5 {md5}, got {found}; fetch it again, or accept your own conversion "
            "with data.verify_checksums=false"
        )


def _validation_classes(path: Path) -> dict[str, str]:
    """Return the class of every validation image by its file name."""
    for _, content in read_archive(path, lambda name: name.endswith("val/val_annotations.txt")):
        with _files.reading(path):
            rows = [line.split("\t") for line in content.decode().splitlines()]
        return {row[0]: row[1] for row in rows if len(row) > 1}
    raise ValueError(f"{path} must contain val/val_annotations.txt, got none; fetch it again")


def _with_class(name: str, class_of: dict[str, str]) -> str:
    """Turn `.../val/images/<file>` into `.../val/<class>/<file>`, and leave other names alone."""
    folder, images, file = name.rpartition("/images/")
    if not images or not folder.endswith("val"):
        return name
    if file not in class_of:
        raise ValueError(f"val_annotations.txt must name every validation image, got none for {file!r}")
    return f"{folder}/{class_of[file]}/{file}"
