"""An epoch of more than each image once: those of a source repeated, and others, such as generated ones, mixed in.

Source: Wang et al. 2024, "Do Generated Data Always Help Contrastive Learning?", Section 4,
https://arxiv.org/abs/2403.12448 (AdaInf), and its released code: the real images ten times, the generated ones once,
all of them in one random order.
"""

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from anchorwise.modalities.images.channels import with_channels
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Skipped


def inflated(own: ImageSet, config: DataConfig, on_progress: OnProgress | None = None) -> ImageSet:
    """Return the images to pretrain on: a source's own, repeated, and those of `config.extra` behind them, once each.

    Every image stays one of the set, with one number: how often it comes is in `times`. With images of no class beside
    them the own ones have none either.

    Args:
        own: Of the source, in the size and channels of all.
        config: Which others, and how often the own ones.
        on_progress: Told how far the reading is.

    Raises:
        FileNotFoundError: If there is nothing at `config.extra`.
        ValueError: If the others cannot be read, or made to have the size and channels of the own ones.
    """
    repeat = config.repeat or 1
    if config.extra is None:
        return replace(own, times=None if repeat == 1 else torch.full((len(own),), repeat))
    extra = _extra(config.extra, own, config, on_progress)
    times = torch.ones(len(own) + len(extra), dtype=torch.int64)
    times[: len(own)] = repeat
    mixed = replace(
        own,
        images=torch.cat([own.images, extra.images]),
        labels=None,
        class_names=(),
        names=own.names + extra.names,
        skipped=own.skipped + extra.skipped,
        groups=_groups(own, len(extra)),
        values=None,
        times=None if repeat == 1 else times,
    )
    return mixed.with_brightness() if config.values == "brightness" else mixed


def _extra(path: Path, own: ImageSet, config: DataConfig, on_progress: OnProgress | None) -> ImageSet:
    height_px, width_px = own.size_px
    if height_px != width_px:
        raise ValueError(
            f"data.extra is for square images, and those of data.source are {width_px} x {height_px} px; set "
            "data.image_size_px"
        )
    read = read_images(
        os.path.expanduser(path),
        image_size_px=width_px,
        max_decoded_gib=config.max_decoded_gib,
        on_progress=on_progress,
    )
    if {read.images.shape[1], own.num_channels} - {1, 3} and read.images.shape[1] != own.num_channels:
        raise ValueError(
            f"data.extra must have images of {own.num_channels} channels as those of data.source, got "
            f"{read.images.shape[1]} in {path}; only grey and red-green-blue are made of each other"
        )
    skipped = tuple(Skipped(name, reason) for name, reason in read.skipped)
    return ImageSet(with_channels(read.images, own.num_channels), None, (), read.names, skipped)


def _groups(own: ImageSet, num_extra: int) -> Tensor | None:
    """Let each of the others stand alone where the own images have groups."""
    if own.groups is None:
        return None
    return torch.cat([own.groups, int(own.groups.max()) + 1 + torch.arange(num_extra)])
