"""Data sets by name or by path, as splits of the size a run asks for."""

import os
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from anchorwise import _files
from anchorwise.modalities.archives import ARCHIVE_SUFFIXES
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.digits import load_digits, load_placed_digits
from anchorwise.modalities.images.folders import load_folder
from anchorwise.modalities.images.glyphs import load_glyphs
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.imagenet import load_imagenet32, load_tiny_imagenet
from anchorwise.modalities.images.inflated import inflated
from anchorwise.modalities.images.named import load_cifar10, load_cifar100, load_stl10
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits
from anchorwise.modalities.skipping import warn_skipped

# n = images, c = channels, h = height, w = width (pixels)

_RESIZE_BLOCK = 4096  # Images in floating point at once.


SOURCES: dict[str, Callable[[Path, DataConfig, OnProgress | None], Splits[ImageSet]]] = {
    "digits": load_digits,
    "placed-digits": load_placed_digits,
    "glyphs": load_glyphs,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "stl10": load_stl10,
    "imagenet32": load_imagenet32,
    "tiny-imagenet": load_tiny_imagenet,
}
ROOTED = tuple(name for name in SOURCES if name not in ("digits", "placed-digits", "glyphs"))
DOWNLOADABLE = ("cifar10", "cifar100", "stl10")


def load_splits(config: DataConfig, *, on_progress: OnProgress | None = None) -> Splits[ImageSet]:
    """Load the images a run asks for: read, resized, and cut down to the numbers asked for.

    Warns once, with counts and reasons, if images were skipped; `ImageSet.skipped` lists them.

    Args:
        config: Which images.
        on_progress: Told how far the reading is where images have to be decoded.

    Raises:
        FileNotFoundError: If the local copy is missing; the message says what was looked for, where, and the way out.
        ValueError: If the source is unknown, files are refused, more images are asked for than there are, or they take
            more memory than `config.max_decoded_gib`.
    """
    splits = _load(config, on_progress)
    warn_skipped(splits.skipped, config.source)
    _check_enough("num_train_images", config.num_train_images, splits.pretrain, splits.train)
    train = _shaped(splits.train, config, config.num_train_images)
    pretrain = train if splits.pretrain is splits.train else _shaped(splits.pretrain, config, config.num_train_images)
    if config.extra is not None or config.repeat is not None:
        pretrain = inflated(pretrain, config, on_progress)
        warn_skipped(pretrain.skipped[len(splits.pretrain.skipped) :], str(config.extra))
    if splits.test is None:
        return Splits(pretrain, train, None)
    _check_enough("num_test_images", config.num_test_images, splits.test)
    return Splits(pretrain, train, _shaped(splits.test, config, config.num_test_images))


def _load(config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    if config.download and config.source not in DOWNLOADABLE:
        raise ValueError(f"data.download is for {', '.join(DOWNLOADABLE)} only, got it with source {config.source!r}")
    if config.root is not None and config.source not in ROOTED:
        raise ValueError(f"data.root is for {', '.join(ROOTED)} only, got it with source {config.source!r}")
    if config.group_pattern is not None and config.source in SOURCES:
        raise ValueError(
            "data.group_pattern is for the file names of a folder or an archive, got it with source "
            f"{config.source!r}, whose images have none"
        )
    if config.source in SOURCES:
        root = config.root or _files.cache_dir() / "datasets"
        return SOURCES[config.source](Path(os.path.expanduser(root)), config, on_progress)
    path = Path(os.path.expanduser(config.source))
    if not path.exists():
        _refuse_source(config.source)
    return load_folder(
        path,
        image_size_px=config.image_size_px,
        seed=config.seed,
        max_decoded_gib=config.max_decoded_gib,
        group_pattern=config.group_pattern,
        on_progress=on_progress,
    )


def _refuse_source(source: str) -> NoReturn:
    near = get_close_matches(source, SOURCES, n=1, cutoff=0.7)  # A folder `images` is no imagenet32.
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise FileNotFoundError(
        f"data.source must be one of {', '.join(SOURCES)}, or the path of a folder or of a file ending in "
        f"{', '.join(ARCHIVE_SUFFIXES)}; got {source!r}, and nothing is at {Path(source).absolute()}{hint}"
    )


def _check_enough(name: str, asked: int | None, *parts: ImageSet) -> None:
    most = max(len(part) for part in parts)
    if asked is not None and asked > most:
        raise ValueError(f"data.{name} must be at most the {most} images there are, got {asked}")


def _shaped(image_set: ImageSet, config: DataConfig, num_images: int | None) -> ImageSet:
    if num_images is not None and num_images < len(image_set):
        image_set = image_set.balanced_subset(num_images, config.seed)
    if config.values == "brightness":
        image_set = image_set.with_brightness()
    if config.image_size_px is None or image_set.size_px == (config.image_size_px, config.image_size_px):
        return image_set
    gib = len(image_set) * image_set.num_channels * config.image_size_px**2 / 2**30
    if gib > config.max_decoded_gib:
        raise ValueError(
            f"data.image_size_px={config.image_size_px} makes {len(image_set)} images of {gib:.4g} GiB, more than "
            f"data.max_decoded_gib={config.max_decoded_gib:g}; take fewer or smaller images, or raise the limit"
        )
    return replace(image_set, images=_resized(image_set.images, config.image_size_px))


def _resized(images: UInt8[Tensor, "n c h w"], size_px: int) -> UInt8[Tensor, "n c size size"]:
    size = (size_px, size_px)
    blocks = (
        interpolate(block.float(), size, mode="bicubic", antialias=True).round().clamp(0, 255).to(torch.uint8)
        for block in images.split(_RESIZE_BLOCK)
    )
    return torch.cat(list(blocks))
