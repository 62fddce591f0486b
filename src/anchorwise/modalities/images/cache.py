"""Decoded images kept between runs, so that twenty runs on one archive decode it once.

The folder is `$ANCHORWISE_CACHE`, else `$XDG_CACHE_HOME/anchorwise`, else `~/.cache/anchorwise`. An entry is named by
what it was made from (path, size, time of change, options); it is only ever written whole, read memory-mapped, and free
to delete.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from anchorwise import _files
from anchorwise._warnings import warn

# n = images, c = channels, h = height, w = width (pixels)

_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Decoded:
    """Every image of a folder or archive, in the order of the names.

    Attributes:
        images: Pixels, uint8, shape (images, channels, size, size).
        names: File name of every image.
        skipped: Name and reason of every file that gave no image.
        classes: Class of every image, None for those without, where files beside the images give them
            (`anchorwise.modalities.images.sidecars`); empty where only the names of folders can.
        note: What a user should know of the images as a whole; mostly nothing.
    """

    images: UInt8[Tensor, "n c h w"]
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    classes: tuple[str | None, ...] = ()
    note: str = ""


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

    def store(self, decoded: Decoded) -> bool:
        """Keep the images, and return whether that was possible; where it was not, warn."""
        try:
            with _files.replacing(self.path) as temporary:
                save_file(_tensors(decoded), temporary)
        except OSError as error:
            warn(f"decoded images are not kept ({error}); set ANCHORWISE_CACHE to a folder that can be written")
            return False
        return True


def _tensors(decoded: Decoded) -> dict[str, Tensor]:
    listing = {name: value for name, value in vars(decoded).items() if name != "images"}
    text = bytearray(json.dumps(listing).encode())
    return {"images": decoded.images, "listing": torch.frombuffer(text, dtype=torch.uint8)}


def _decoded(tensors: dict[str, Tensor]) -> Decoded:
    listing = json.loads(tensors["listing"].numpy().tobytes())
    return Decoded(
        tensors["images"],
        names=tuple(listing["names"]),
        skipped=tuple((name, reason) for name, reason in listing["skipped"]),
        classes=tuple(listing["classes"]),
        note=listing["note"],
    )
