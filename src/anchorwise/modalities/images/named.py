"""CIFAR-10, CIFAR-100 and STL-10 through torchvision, which checks the MD5 of every file before it opens one.

CIFAR's batches are pickles, and a pickle can run code: torchvision refuses files whose MD5 is not the published one, so
no other bytes are ever unpickled.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch

from anchorwise import _files
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits


def load_cifar10(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read `cifar-10-batches-py/` in `root`."""
    from torchvision.datasets import CIFAR10

    return _cifar(CIFAR10, "cifar-10-batches-py", root, config.download)


def load_cifar100(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read `cifar-100-python/` in `root`."""
    from torchvision.datasets import CIFAR100

    return _cifar(CIFAR100, "cifar-100-python", root, config.download)


def load_stl10(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read `stl10_binary/` in `root`; pretraining is on its 100,000 unlabelled images."""
    from torchvision.datasets import STL10

    def part(split: str) -> ImageSet:
        stored = _open("stl10_binary", root, partial(STL10, split=split), config.download)
        labels = None if split == "unlabeled" else stored.labels
        return _image_set(stored.data, labels, stored.classes)

    return Splits(part("unlabeled"), part("train"), part("test"))


def _cifar(dataset: Callable[..., Any], folder: str, root: Path, download: bool) -> Splits[ImageSet]:
    def part(train: bool) -> ImageSet:
        stored = _open(folder, root, partial(dataset, train=train), download)
        return _image_set(stored.data.transpose(0, 3, 1, 2), stored.targets, stored.classes)

    train = part(True)
    return Splits(train, train, part(False))


def _open(folder: str, root: Path, dataset: Callable[..., Any], download: bool) -> Any:
    try:
        # Ranks and jobs start at once: one of them fetches the files, the others find them.
        with _files.alone(root / ".download.lock") if download else nullcontext(), warnings.catch_warnings():
            # The pickles of 2009 hold dtypes in a form that newer numpy deprecates; nobody can change them.
            warnings.simplefilter("ignore")
            return dataset(str(root), download=download)
    except (RuntimeError, OSError, URLError) as error:
        raise FileNotFoundError(
            f"no intact {folder}/ in {root.absolute()} ({error}). Put a copy there, name its parent with "
            "data.root, or let data.download=true fetch it where there is a network"
        ) from error


def _image_set(images: np.ndarray, labels: Any, class_names: list[str]) -> ImageSet:
    return ImageSet(
        torch.from_numpy(np.ascontiguousarray(images)),
        None if labels is None else torch.as_tensor(np.asarray(labels), dtype=torch.int64),
        () if labels is None else tuple(class_names),
        tuple(map(str, range(len(images)))),
    )
