"""Shards of WebDataset, in which `0001.jpg` has its caption in `0001.txt`: one archive, or a folder of several.

Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

from pathlib import Path
from typing import Any

import torch

from anchorwise import _files
from anchorwise.modalities.archives import is_archive, read_archive
from anchorwise.modalities.image_text.pairs import Pairs, grouped
from anchorwise.modalities.images.channels import with_channels
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.text.tables import Texts

_CAPTION = ".txt"
_TAR = (".tar", ".tar.gz", ".tgz")


def is_of_shards(path: Path) -> bool:
    """Return whether a path is an archive with captions, or a folder that holds shards."""
    if path.is_dir():
        return _shards(path) != []
    return path.is_file() and is_archive(path) and any(True for _ in _captions(path))


def _shards(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(_TAR) and not is_hidden(file.name))


def read_shards(path: Path, reading: dict[str, Any]) -> Pairs:
    """Return the images of all shards that have captions, and those captions.

    Args:
        path: A shard, or a folder of shards.
        reading: How images are read, as `read_images` takes it.

    Raises:
        ValueError: If no image has a caption, or one is empty.
    """
    shards = _shards(path) if path.is_dir() else [path]
    parts = [_of_shard(shard, reading) for shard in shards]
    num_channels = max(images.num_channels for images, _ in parts)
    if len(sizes := {tuple(images.images.shape[2:]) for images, _ in parts}) > 1:
        raise ValueError(
            f"images of all shards in {path} must have one size, got "
            f"{' and '.join(f'{height} x {width} px' for height, width in sorted(sizes))}; set data.image_size_px"
        )
    images = ImageSet(
        torch.cat([with_channels(images.images, num_channels) for images, _ in parts]),
        None,
        (),
        tuple(name for images, _ in parts for name in images.names),
        tuple(each for images, _ in parts for each in images.skipped),
    )
    rows = tuple((text,) for _, texts in parts for text in texts)
    return grouped(images, Texts(rows, are_alike=True, names=images.names))


def _of_shard(shard: Path, reading: dict[str, Any]) -> tuple[ImageSet, list[str]]:
    captions, decoded = dict(_captions(shard)), read_images(shard, **reading)
    samples = [_sample(name) for name in decoded.names]
    kept = [number for number, sample in enumerate(samples) if sample in captions]
    if not kept:
        raise ValueError(
            f"{shard} must have a caption in a file such as 0001.txt beside 0001.jpg, got no image with one"
        )
    skipped = [
        *(Skipped(f"{shard.name}/{name}", reason) for name, reason in decoded.skipped),
        *(
            Skipped(f"{shard.name}/{name}", "has no caption beside it")
            for name, sample in zip(decoded.names, samples, strict=True)
            if sample not in captions
        ),
    ]
    names = tuple(f"{shard.name}/{decoded.names[number]}" for number in kept)
    images = ImageSet(decoded.images[torch.tensor(kept)], None, (), names, tuple(skipped))
    return images, [captions[samples[number]] for number in kept]


def _captions(shard: Path) -> list[tuple[str, str]]:
    with _files.reading(shard):
        return [
            (_sample(name), data.decode("utf-8").strip())
            for name, data in read_archive(shard, lambda name: name.endswith(_CAPTION) and not is_hidden(name))
        ]


def _sample(name: str) -> str:
    """Return what the files of one sample have in common: the name up to its first dot."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}"
