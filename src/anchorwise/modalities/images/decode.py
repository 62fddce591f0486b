"""From the bytes of an image file to uint8 pixels, by stated rules.

* Grey (also 1-bit) gives one channel, colour of any model three (RGB). Transparent pixels are laid over white. Of an
  animation the first frame counts. A photograph is turned upright as its EXIF orientation says.
* 16-bit grey is divided by 257, so that 65535 becomes 255; a TIFF that declares 12 bits is scaled from 4095. Colour of
  16 bits gives its upper byte.
* `.npy` files hold uint8 of shape (height, width) or (height, width, channels), with any number of channels.
* A size asked for is reached by scaling the shorter side to it (bicubic, antialiased) and cropping the centre.

Only the decoders of `FORMATS` are ever tried, whatever a file is called: Pillow's others start programs (PostScript),
or are little used and so little tested against hostile files.
"""

import errno
import io
import math
import struct
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from anchorwise import _files
from anchorwise._threads import usable_cores
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.sources import Payload, content_of

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
IMAGE_SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".npy"),
)
# Pictures as well, but not read: without a decoder that comes with Pillow, or outside of `FORMATS`.
OTHER_PICTURE_SUFFIXES = (
    *(".heic", ".heif", ".jxl", ".jxr", ".svg", ".eps", ".psd", ".tga", ".ico", ".dib", ".pcx", ".exr", ".hdr"),
    *(".pfm", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
MAX_IMAGE_PIXELS = 1 << 26
MAX_FILE_BYTES = 1 << 29

Pixels = NDArray[np.uint8]  # (channels, height, width)

_CHUNK = 32  # Images a thread takes at once; handing out single small images costs more than decoding them.
_BITS_PER_SAMPLE = 258
_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class TooManyBytesError(ValueError):
    """Decoded images take more room than they may."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded file.

    Attributes:
        pixels: Shape (channels, height, width).
        is_deep: The file holds more than 8 bits a value.
    """

    pixels: Pixels
    is_deep: bool


def decode_all(
    files: Iterable[tuple[str, Payload]],
    image_size_px: int | None,
    *,
    max_bytes: float = math.inf,
    on_decoded: Callable[[int], None] = lambda num_files: None,
) -> Iterator[tuple[str, Picture | Skipped]]:
    """Decode files, as many at a time as there are cores, and at least four: reading them may wait for a disk.

    Args:
        files: Name and content, or path on disk, of each image.
        image_size_px: Height and width to reach; None keeps each image's own.
        max_bytes: How many bytes all pixels together may be.
        on_decoded: Called now and then with the number of files that are done.

    Yields:
        In the order of the files, each name with its picture, or with the reason why there is none. Only what the bytes
        themselves make impossible is such a reason. A few hundred are in memory at once.

    Raises:
        TooManyBytesError: If the pixels take more than `max_bytes`.
        UnusableFileError: If a file cannot be opened or read to its end.
        MemoryError: If memory runs out.
    """
    budget = _Budget(max_bytes)

    def decoded(chunk: list[tuple[str, Payload]]) -> list[tuple[str, Picture | Skipped]]:
        return [(name, _decode_or_skip(name, data, image_size_px, budget)) for name, data in chunk]

    num_threads, num_files, remaining = max(4, usable_cores()), 0, iter(files)
    with ThreadPoolExecutor(num_threads) as pool:
        while block := list(islice(remaining, 2 * num_threads * _CHUNK)):
            chunks = [block[start : start + _CHUNK] for start in range(0, len(block), _CHUNK)]
            with warnings.catch_warnings():
                # Pillow warns of sizes that are refused here and of metadata that nobody reads.
                warnings.filterwarnings("ignore", module=r"PIL\.")
                parts = list(pool.map(decoded, chunks))
            for part in parts:
                yield from part
            num_files += len(block)
            on_decoded(num_files)


def decode(name: str, data: Payload, image_size_px: int | None = None) -> Pixels:
    """Decode one file.

    Returns:
        Pixels of shape (channels, height, width); height and width are `image_size_px` if that is given.

    Raises:
        Exception: Whatever Pillow or numpy raise on bytes that are no image; ValueError for those that are refused.
        UnusableFileError: If the file cannot be opened or read to its end.
    """
    return _picture(name, content_of(data), image_size_px).pixels


def _picture(name: str, content: bytes, image_size_px: int | None) -> Picture:
    if name.lower().endswith(".npy"):
        return Picture(_resized_channels(_load_array(content), image_size_px), is_deep=False)
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        _check_pixels(image.width, image.height)
        is_deep = image.mode in _GREY_16_BIT or any(";16" in str(tile.args) for tile in image.tile)
        plain = _plain(image)
        if image_size_px is not None and plain.size != (image_size_px, image_size_px):
            plain = ImageOps.fit(plain, (image_size_px, image_size_px), Image.Resampling.BICUBIC)
        pixels = np.asarray(plain)
    pixels = pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return Picture(pixels, is_deep)


def _num_bytes(path: Path) -> int:
    with _files.reading(path):
        return path.stat().st_size


def _decode_or_skip(name: str, data: Payload, image_size_px: int | None, budget: "_Budget") -> Picture | Skipped:
    if isinstance(data, Path) and _num_bytes(data) > MAX_FILE_BYTES:
        return Skipped(name, f"the file has more than the {MAX_FILE_BYTES} bytes allowed")
    content = content_of(data)
    try:
        picture = _picture(name, content, image_size_px)
    except UnidentifiedImageError:
        return Skipped(name, f"no picture in one of the formats {', '.join(FORMATS)}")
    except Exception as error:  # Broken files make Pillow raise nearly anything, struct.error and IndexError included.
        if _is_of_the_machine(error):
            raise MemoryError(f"{name!r} could not be decoded now ({error!r}); nothing was kept, try again") from error
        return Skipped(name, f"{type(error).__name__}: {error}")
    budget.spend(picture.pixels.nbytes)
    return picture


def _is_of_the_machine(error: Exception) -> bool:
    """Whether an error of a decoder may not come back: the machine's, not that of the bytes."""
    is_short_of_memory = isinstance(error, MemoryError) or (
        isinstance(error, OSError) and "out of memory" in str(error)
    )
    return is_short_of_memory or (isinstance(error, OSError) and error.errno not in (None, errno.EINVAL))


class _Budget:
    """Counts bytes over several threads."""

    def __init__(self, max_bytes: float) -> None:
        self._left, self._max, self._lock = max_bytes, max_bytes, threading.Lock()

    def spend(self, num_bytes: int) -> None:
        with self._lock:
            self._left -= num_bytes
            if self._left < 0:
                raise TooManyBytesError(f"the decoded images take more than the {self._max / 2**30:g} GiB allowed")


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MAX_IMAGE_PIXELS} allowed")


def _plain(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit grey or RGB, upright and opaque."""
    white_value = _white_value(image)
    if _is_turned(image):
        image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode in _GREY_16_BIT:
        return _from_16_bit(image, white_value)
    if image.mode == "F":
        raise ValueError("floating pixels have no agreed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _is_turned(image: Image.Image) -> bool:
    if not (image.info.get("exif") or "Raw profile type exif" in image.info):
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    except (ValueError, SyntaxError, LookupError, TypeError, struct.error):  # Damaged metadata spoil no pixels.
        return False


def _white_value(image: Image.Image) -> int:
    """Return what white is in 16-bit grey: TIFF alone can say that it uses 12 of the bits."""
    is_12_bit = isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_BITS_PER_SAMPLE) == (12,)
    return 4095 if is_12_bit else 65535


def _from_16_bit(image: Image.Image, white_value: int) -> Image.Image:
    values: NDArray[Any] = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"grey values {values.min()}..{values.max()} do not fit 16 bits; save it with 8 or 16 bits")
    grey = np.round(values / (white_value / 255)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey)


def _over_white(image: Image.Image) -> Image.Image:
    colour = image.convert("RGBA")
    white = Image.new("RGBA", colour.size, "white")
    grey = image.mode in ("1", "L", "LA", "La")
    return Image.alpha_composite(white, colour).convert("L" if grey else "RGB")


def _load_array(content: bytes) -> Pixels:
    shape, dtype = _declared(io.BytesIO(content))
    if dtype != np.uint8 or len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"an .npy image must be uint8 of shape (height, width[, channels]), got {dtype} {shape}")
    _check_pixels(*shape[:2])
    if math.prod(shape) > len(content):  # Before numpy asks for as much memory as the header says.
        raise ValueError(f"an .npy image of shape {shape} must have as many bytes, got {len(content)}")
    array = np.load(io.BytesIO(content), allow_pickle=False)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _declared(file: io.BytesIO) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype from the header of an array."""
    is_short = np.lib.format.read_magic(file) == (1, 0)
    read_header = np.lib.format.read_array_header_1_0 if is_short else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    return shape, dtype


def _resized_channels(pixels: Pixels, image_size_px: int | None) -> Pixels:
    if image_size_px is None or pixels.shape[1:] == (image_size_px, image_size_px):
        return pixels
    size = (image_size_px, image_size_px)
    fitted = (ImageOps.fit(Image.fromarray(channel), size, Image.Resampling.BICUBIC) for channel in pixels)
    return np.stack([np.asarray(channel) for channel in fitted])
