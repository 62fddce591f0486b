"""Images in memory: one tensor for a whole set, with labels, names, and what could not be read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, normalize

from anchorwise import _checks
from anchorwise.modalities.samples import Samples, Skipped

# n = images, c = channels, h = height, w = width (pixels), m = chosen images, d = width of a thumbnail's row

_THUMBNAIL_PX = 8
_BLOCK = 1024  # Images in floating point at once.


@dataclass(frozen=True, eq=False)
class ImageSet(Samples):
    """Images of one size and channel count.

    Attributes:
        images: Pixels 0..255, uint8, shape (images, channels, height, width); may be memory-mapped, so do not write to
            it.
        labels: Class of every image as an index into `class_names`, int64, shape (images,); None if unlabelled.
        class_names: Name of every class; empty if unlabelled.
        names: File name, or index as text, of every image.
        skipped: Images that were found but could not be used, each with its reason.
        groups: Which images belong together, int64, shape (images,); None if each stands alone.
        values: A real number of every image, float32, shape (images,); None where there is none.
        times: How often each comes in an epoch, int64, shape (images,); None for once each.

    Raises:
        ValueError: If the parts do not fit together, or there is no image.
    """

    images: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"] | None
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    groups: Int64[Tensor, " n"] | None = None
    values: Float[Tensor, " n"] | None = None
    times: Int64[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        _check_images(self.images)
        if len(self.names) != len(self.images):
            raise ValueError(f"names must name each of the {len(self.images)} images once, got {len(self.names)} names")
        if self.labels is not None:
            _check_labels(self.labels, len(self.images), len(self.class_names))
        if self.groups is not None and (self.groups.dtype, self.groups.shape) != (torch.int64, (len(self.images),)):
            raise ValueError(
                f"groups must be int64 of shape ({len(self)},), got {self.groups.dtype} {tuple(self.groups.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_channels(self) -> int:
        """1 for grey, 3 for colour, more for other detectors."""
        return self.images.shape[1]

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.images.shape[2], self.images.shape[3]

    @property
    def what(self) -> str:
        """Their number, channels, height and width."""
        return f"{len(self):,} images of {' x '.join(map(str, self.images.shape[1:]))}"

    def take(self, ids: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Return images; a contiguous ascending range shares the memory of this set."""
        return self.images[_as_slice(ids)]

    def whole(self) -> UInt8[Tensor, "n c h w"]:
        """Return all images."""
        return self.images

    def thumbnails(self, ids: Int64[Tensor, " m"]) -> Float[Tensor, "m d"]:
        """Return images of at most 8 x 8 px without their mean brightness."""
        height, width = (min(_THUMBNAIL_PX, size) for size in self.size_px)
        blocks = [adaptive_avg_pool2d(self.take(block).float(), (height, width)) for block in ids.split(_BLOCK)]
        rows = torch.cat(blocks).flatten(start_dim=1)
        return normalize(rows - rows.mean(dim=1, keepdim=True), dim=1)

    def picture(self, item: int) -> UInt8[Tensor, "c h w"]:
        """Return an image."""
        return self.images[item]

    def content(self) -> Iterator[Tensor]:
        """Yield all pixels."""
        yield self.images

    def subset(self, ids: Int64[Tensor, " m"]) -> "ImageSet":
        """Return the images at `ids`, in that order; a contiguous ascending range shares the memory of this set."""
        if len(ids) == 0:
            raise ValueError("ids must choose at least one image, got none")
        chosen = _as_slice(ids)
        return replace(
            self,
            images=self.images[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            names=tuple(self.names[i] for i in ids.tolist()),
            groups=None if self.groups is None else self.groups[chosen],
            values=None if self.values is None else self.values[chosen],
            times=None if self.times is None else self.times[chosen],
        )

    def number(self, name: str) -> Float[Tensor, " n"] | None:
        """Return the mean brightness."""
        return self.with_brightness().values if name == "brightness" else None

    def with_brightness(self) -> "ImageSet":
        """Return the images with their mean brightness in percent as values: of black ground, how much ink there is."""
        means = [block.float().mean(dim=(1, 2, 3)) for block in self.images.split(_BLOCK)]
        return replace(self, values=torch.cat(means) * (100.0 / 255.0))


def _as_slice(indices: Tensor) -> slice | Tensor:
    first = int(indices[0])
    if first >= 0 and torch.equal(indices, torch.arange(first, first + len(indices))):
        return slice(first, first + len(indices))
    return indices


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(
            "images must be uint8 of shape (images, channels, height, width), "
            f"got {images.dtype} of shape {tuple(images.shape)}"
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
