"""Scikit-learn's scans of digits: as they are, and as somebody finds them who does not know where to look.

The scans come with scikit-learn, so there is nothing to download. As they are, digits fill their 8 x 8 px and stand
upright, and pixels tell nearly all of them apart. Placed, each is turned, scaled and moved at random in 12 x 12 px,
twice: then pixels do not, and what a method of views learns shows.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.placing import Placing
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits
from anchorwise.modalities.selection import complement, stratified_indices

NUM_TEST_IMAGES = 450

_PLACING = Placing(size_px=12, degrees=30.0, scale=(0.7, 1.2), shift=0.22)
_DRAWN_PX = 4 * _PLACING.size_px  # Drawn large and made small; half of it is the digit.
_NUM_PLACES = 2  # Of every digit to train on.


def load_digits(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Read scikit-learn's bundled digits: 1,797 grey scans of 8 x 8, 0..16 stretched to 0..255.

    The stratified split into 1,347 training and 450 test images is always the same.
    """
    train, test = _scans()
    return Splits(train, train, test)


def load_placed_digits(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Place the digits, always alike: 2,694 to train on, two of each scan, which are one group, and 450 to test."""
    train, test = _scans()
    placed = _placed(train, seed=0, num_places=_NUM_PLACES)
    return Splits(placed, placed, _placed(test, seed=1, num_places=1))


def _scans() -> tuple[ImageSet, ImageSet]:
    from sklearn.datasets import load_digits as load_bundled_digits

    pixels, targets = load_bundled_digits(return_X_y=True)
    images = torch.from_numpy(np.round(np.asarray(pixels) * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
    labels = torch.from_numpy(np.asarray(targets, dtype=np.int64))
    whole = ImageSet(images, labels, tuple("0123456789"), tuple(map(str, range(len(images)))))
    test = stratified_indices(labels, NUM_TEST_IMAGES, seed=0)
    return whole.subset(complement(test, len(whole))), whole.subset(test)


def _placed(digits: ImageSet, *, seed: int, num_places: int) -> ImageSet:
    draws = np.random.default_rng(seed)
    scans = torch.arange(len(digits)).repeat_interleave(num_places)
    names = tuple(f"{digits.names[scan]}/{number % num_places}" for number, scan in enumerate(scans.tolist()))
    return ImageSet(
        torch.stack([_drawing(digits.images[scan, 0], draws) for scan in scans]),
        None if digits.labels is None else digits.labels[scans],
        digits.class_names,
        names,
        groups=scans,
    )


def _drawing(scan: UInt8[Tensor, "h w"], draws: np.random.Generator) -> UInt8[Tensor, "1 _h _w"]:
    side = _DRAWN_PX // 2
    canvas = Image.new("L", (_DRAWN_PX, _DRAWN_PX))
    large = Image.fromarray(scan.numpy()).resize((side, side), Image.Resampling.BICUBIC)
    corner = (_DRAWN_PX - side) // 2
    canvas.paste(large, (corner, corner))
    return torch.from_numpy(_PLACING.of(canvas, draws).round().astype(np.uint8))[None]
