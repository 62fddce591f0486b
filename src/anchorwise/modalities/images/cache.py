"""Decoded images kept between runs, so that twenty runs on one archive decode it once.

The folder is `$ANCHORWISE_CACHE`, else `$XDG_CACHE_HOME/anchorwise`, else `~/.cache/anchorwise`. An entry is named by
what it was made from (path, size, time of change, options); it is only ever written whole, read memory-mapped, and free
to delete.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import UInt8
from safetensors.torch import load_file
from torch import Tensor

from anchorwise import _files
from anchorwise._warnings import warn
from anchorwise.modalities.images.spool import Spool

# n = images, c = channels, h = height, w = width (pixels)

_FORMAT = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Listing:
    """What is known of the images of a folder or archive beside their pixels, in the order of the names.

    Attributes:
        names: File name of every image.
        skipped: Name and reason of every file that gave no image.
        classes: Class of every image, None for those without, where files beside the images give them
            (`anchorwise.modalities.images.sidecars`); empty where only the names of folders can.
        note: What a user should know of the images as a whole; mostly nothing.
    """

    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    classes: tuple[str | None, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded(Listing):
    """Every image of a folder or archive.

    Attributes:
        images: Pixels, uint8, shape (images, channels, size, size).
    """

    images: UInt8[Tensor, "n c h w"]


class Entry:
    """The place of the images made from some values; every value counts by its `repr`."""

    def __init__(self, *made_from: object) -> None:
        self._digest = hashlib.sha256(repr((_FORMAT, *made_from)).encode()).hexdigest()[:32]

    @property
    def path(self) -> Path:
        """Where the images are kept.

        Raises:
            OSError: As `_files.cache_dir`.
        """
        return _files.cache_dir() / "decoded" / f"{self._digest}.safetensors"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for whoever makes these images already, so that ranks and jobs that start at once decode them once."""
        with ExitStack() as stack:
            with suppress(OSError):  # Where there can be no cache, everybody decodes.
                stack.enter_context(_files.alone(self.path.with_suffix(".lock")))
            yield

    def load(self) -> Decoded | None:
        """Return the images, memory-mapped; None if there are none or they are damaged."""
        try:
            with _files.reading(self.path):
                return _decoded(load_file(self.path))
        except (OSError, _files.UnusableFileError):
            return None

    def spool(self) -> Spool:
        """Return a place for pictures on the disk of the cache, in memory where there can be none."""
        try:
            return Spool(self.path.parent)
        except OSError:
            return Spool(None)

    def store(self, listing: Listing, pictures: Spool) -> bool:
        """Keep pictures one by one, and return whether that was possible; where it was not, warn."""
        try:
            with _files.replacing(self.path) as temporary, temporary.open("wb") as file:
                file.write(_head(listing, pictures.shape()))
                file.writelines(pixels.tobytes() for pixels in pictures.rows())
        except OSError as error:
            warn(f"decoded images are not kept ({error}); set ANCHORWISE_CACHE to a folder that can be written")
            return False
        return True


def _head(listing: Listing, shape: tuple[int, ...]) -> bytes:
    """Return what a safetensors file of the images begins with; its own writers take a second copy of all pixels."""
    text = json.dumps(vars(listing)).encode()
    end = len(text)
    tensors = {
        "listing": {"dtype": "U8", "shape": [end], "data_offsets": [0, end]},
        "images": {"dtype": "U8", "shape": list(shape), "data_offsets": [end, end + math.prod(shape)]},
    }
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + text


def _decoded(tensors: dict[str, Tensor]) -> Decoded:
    listing = json.loads(tensors["listing"].numpy().tobytes())
    return Decoded(
        names=tuple(listing["names"]),
        skipped=tuple((name, reason) for name, reason in listing["skipped"]),
        classes=tuple(listing["classes"]),
        note=listing["note"],
        images=tensors["images"],
    )
