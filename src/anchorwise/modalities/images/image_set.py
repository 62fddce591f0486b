"""Images in memory: one uint8 tensor for a whole set, with labels, names, and what could not be read."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from anchorwise import _checks
from anchorwise.modalities.selection import balanced_indices

# n = images, c = channels, h = height, w = width (pixels), m = chosen images


@dataclass(frozen=True)
class SkippedImage:
    """An image that is not in the set.

    Attributes:
        name: Its file name, relative to the folder or archive.
        reason: Why it was left out.
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square images of one size and channel count.

    Attributes:
        images: Pixels 0..255, uint8, shape (images, channels, size, size); may be memory-mapped, so do not write to it.
        labels: Class of every image as an index into `class_names`, int64, shape (images,); None if unlabelled.
        class_names: Name of every class; empty if unlabelled.
        names: File name, or index as text, of every image.
        skipped: Images that were found but could not be used, each with its reason.

    Raises:
        ValueError: If the parts do not fit together, or there is no image.
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"] | None
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[SkippedImage, ...] = ()

    def __post_init__(self) -> None:
        _check_images(self.images)
        if len(self.names) != len(self.images):
            raise ValueError(f"names must name each of the {len(self.images)} images once, got {len(self.names)} names")
        if self.labels is not None:
            _check_labels(self.labels, len(self.images), len(self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_channels(self) -> int:
        """1 for grey, 3 for colour, more for other detectors."""
        return self.images.shape[1]

    @property
    def image_size_px(self) -> int:
        """Height and width, in pixels."""
        return self.images.shape[2]

    def subset(self, indices: Int64[Tensor, " m"]) -> "ImageSet":
        """Return the images at `indices`, in that order; a contiguous ascending range shares the memory of this set."""
        if len(indices) == 0:
            raise ValueError("indices must choose at least one image, got none")
        chosen = _as_slice(indices)
        return replace(
            self,
            images=self.images[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            names=tuple(self.names[i] for i in indices.tolist()),
        )

    def balanced_subset(self, num_images: int, seed: int) -> "ImageSet":
        """Return `num_images` images, equally many of every class where there are labels; depends on `seed` alone.

        Raises:
            ValueError: If `num_images` is below 1 or above the number of images.
        """
        labels = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        return self.subset(balanced_indices(labels, num_images, seed=seed))


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts of a data set.

    Attributes:
        pretrain: Images to pretrain on; the same object as `train` unless the data set has unlabelled images.
        train: Images to fit a probe or a kNN bank on.
        test: Images to score; None only for an unlabelled folder without a test part.
    """

    pretrain: ImageSet
    train: ImageSet
    test: ImageSet | None

    @property
    def are_judgeable(self) -> bool:
        """Whether there are labelled training and test images, as probes need them."""
        return self.test is not None and self.train.labels is not None and self.test.labels is not None

    @property
    def skipped(self) -> tuple[SkippedImage, ...]:
        """Every skipped image of the parts, once."""
        parts = (self.pretrain, self.train, self.test)
        return tuple(dict.fromkeys(item for part in parts if part is not None for item in part.skipped))


def _as_slice(indices: Tensor) -> slice | Tensor:
    first = int(indices[0])
    if first >= 0 and torch.equal(indices, torch.arange(first, first + len(indices))):
        return slice(first, first + len(indices))
    return indices


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(
            "images must be uint8 of shape (images, channels, size, size), "
            f"got {images.dtype} of shape {tuple(images.shape)}; resize and crop to squares first"
        )
    if 0 in images.shape:
        raise ValueError(f"images must hold at least one image with at least one pixel, got {tuple(images.shape)}")


def _check_labels(labels: Tensor, num_images: int, num_classes: int) -> None:
    _checks.count("the number of class_names", num_classes)
    if labels.dtype != torch.int64 or labels.shape != (num_images,):
        raise ValueError(f"labels must be int64 of shape ({num_images},), got {labels.dtype} {tuple(labels.shape)}")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= num_classes:
        raise ValueError(f"labels must lie in 0..{num_classes - 1}, one per class name, got {lowest}..{highest}")
