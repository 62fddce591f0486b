"""Which images a run uses: facts that tell whether they are the same ones later, or on another machine."""

import hashlib

import numpy as np
from torch import Tensor

from anchorwise._config import Section
from anchorwise.modalities.images.image_set import ImageSet, Splits

_LENGTH = 16  # Hexadecimal digits: 64 bits.


class PartFacts(Section):
    """What identifies one part of the images.

    Attributes:
        shape: Images, channels, height, width.
        pixels: Beginning of the SHA-256 of all pixels.
        labels: The same of all labels; None if there are none.
    """

    shape: tuple[int, ...]
    pixels: str
    labels: str | None


class DataFacts(Section):
    """What identifies the images of a training; test images do not belong to it.

    Attributes:
        pretrain: The images that are trained on.
        train: The labelled ones that accuracy is watched on; often the same.
    """

    pretrain: PartFacts
    train: PartFacts


def data_facts(splits: Splits) -> DataFacts:
    """Return what identifies the images of a training; reads every pixel once."""
    pretrain = _facts(splits.pretrain)
    return DataFacts(pretrain=pretrain, train=pretrain if splits.train is splits.pretrain else _facts(splits.train))


def data_differences(there: DataFacts, here: DataFacts) -> list[str]:
    """Say in what these images differ from those that were there; nothing if they are the same."""
    differences = []
    for name in ("pretrain", "train"):
        old, new = getattr(there, name), getattr(here, name)
        if old.shape != new.shape:
            differences.append(f"{_words(old)} then, {_words(new)} now")
        elif old != new:
            what = "pixels" if old.pixels != new.pixels else "labels"
            differences.append(f"{_words(old)} as then, but other {what}")
    return list(dict.fromkeys(differences))


def digest(*tensors: Tensor | None) -> str:
    """Return the beginning of the SHA-256 of the tensors' bytes, one after the other."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(b"none" if tensor is None else np.ascontiguousarray(tensor.numpy()).data)
    return hashed.hexdigest()[:_LENGTH]


def _facts(part: ImageSet) -> PartFacts:
    labels = None if part.labels is None else digest(part.labels)
    return PartFacts(shape=tuple(part.images.shape), pixels=digest(part.images), labels=labels)


def _words(part: PartFacts) -> str:
    num_images, num_channels, height, width = part.shape
    return f"{num_images:,} images of {num_channels} x {height} x {width}"
