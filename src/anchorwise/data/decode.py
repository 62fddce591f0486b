"""From the bytes of an image file to uint8 pixels, by stated rules.

* Grey (also 1-bit) gives one channel, colour of any model three (RGB). Transparent pixels are laid over white. Of an
  animation the first frame counts. A photograph is turned upright as its EXIF orientation says.
* 16-bit grey is divided by 257, so that 65535 becomes 255.
* `.npy` files hold uint8 of shape (height, width) or (height, width, channels), with any number of channels.
* A size asked for is reached by scaling the shorter side to it (bicubic, antialiased) and cropping the centre.
"""

import io
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from anchorwise.data.images import SkippedImage

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".npy")
MAX_IMAGE_PIXELS = 1 << 26

Pixels = NDArray[np.uint8]  # (channels, height, width)
Payload = bytes | Path

_NUM_THREADS = 4
_CHUNK = 32  # Images a thread takes at once; handing out single small images costs more than decoding them.
_BLOCK = 8 * _CHUNK  # Encoded images in memory at once.
_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def decode_all(
    files: Iterable[tuple[str, Payload]], image_size_px: int | None
) -> list[tuple[str, Pixels | SkippedImage]]:
    """Decode files, several at a time.

    Args:
        files: Name and content, or path on disk, of each image.
        image_size_px: Height and width to reach; None keeps each image's own.

    Returns:
        In the order of the files, each name with its pixels, shape (channels, height, width), or with the reason why
        there are none.
    """

    def decoded(chunk: list[tuple[str, Payload]]) -> list[tuple[str, Pixels | SkippedImage]]:
        return [(name, _decode_or_skip(name, data, image_size_px)) for name, data in chunk]

    results: list[tuple[str, Pixels | SkippedImage]] = []
    remaining = iter(files)
    # Pillow warns between its limit and twice its limit; ours is lower and refuses, so the warning would be noise.
    with warnings.catch_warnings(), ThreadPoolExecutor(_NUM_THREADS) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        while block := list(islice(remaining, _BLOCK)):
            chunks = [block[start : start + _CHUNK] for start in range(0, len(block), _CHUNK)]
            for part in pool.map(decoded, chunks):
                results.extend(part)
    return results


def decode(name: str, data: Payload, image_size_px: int | None = None) -> Pixels:
    """Decode one file.

    Returns:
        Pixels of shape (channels, height, width); height and width are `image_size_px` if that is given.

    Raises:
        Exception: Whatever Pillow or numpy raise on bytes that are no image; ValueError for those that are refused.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    if name.lower().endswith(".npy"):
        return _resized_channels(_load_array(file), image_size_px)
    with Image.open(file) as image:
        _check_pixels(image.width, image.height)
        plain = _plain(image)
        if image_size_px is not None and plain.size != (image_size_px, image_size_px):
            plain = ImageOps.fit(plain, (image_size_px, image_size_px), Image.Resampling.BICUBIC)
        pixels = np.asarray(plain)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _decode_or_skip(name: str, data: Payload, image_size_px: int | None) -> Pixels | SkippedImage:
    try:
        return decode(name, data, image_size_px)
    except Exception as error:  # Broken files make Pillow raise nearly anything, struct.error and IndexError included.
        return SkippedImage(name, f"{type(error).__name__}: {error}")


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MAX_IMAGE_PIXELS} allowed")


def _plain(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit grey or RGB, upright and opaque."""
    if image.info.get("exif"):
        image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode in _GREY_16_BIT:
        return _from_16_bit(image)
    if image.mode == "F":
        raise ValueError("floating pixels have no agreed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    values: NDArray[Any] = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"grey values {values.min()}..{values.max()} do not fit 16 bits; save it with 8 or 16 bits")
    return Image.fromarray(np.round(values / 257.0).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    colour = image.convert("RGBA")
    white = Image.new("RGBA", colour.size, "white")
    grey = image.mode in ("1", "L", "LA", "La")
    return Image.alpha_composite(white, colour).convert("L" if grey else "RGB")


def _load_array(file: io.BytesIO | Path) -> Pixels:
    array = np.load(file, allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape:
        shape = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise ValueError(f"an .npy image must be uint8 of shape (height, width[, channels]), got {shape}")
    _check_pixels(*array.shape[:2])
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _resized_channels(pixels: Pixels, image_size_px: int | None) -> Pixels:
    if image_size_px is None or pixels.shape[1:] == (image_size_px, image_size_px):
        return pixels
    size = (image_size_px, image_size_px)
    fitted = (ImageOps.fit(Image.fromarray(channel), size, Image.Resampling.BICUBIC) for channel in pixels)
    return np.stack([np.asarray(channel) for channel in fitted])
