"""Decoded images kept between runs, so that twenty runs on one archive decode it once.

The folder is `$ANCHORWISE_CACHE`, else `$XDG_CACHE_HOME/anchorwise`, else `~/.cache/anchorwise`. An entry is named by
what it was made from (path, size, time of change, options); it is only ever written whole, read memory-mapped, and free
to delete.
"""

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anchorwise import _files

# n = images, c = channels, h = height, w = width (pixels)

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Decoded:
    """Every image of a folder or archive, in the order of the names.

    Attributes:
        images: Pixels, uint8, shape (images, channels, size, size).
        names: File name of every image.
        skipped: Name and reason of every file that gave no image.
    """

    images: UInt8[Tensor, "n c h w"]
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


def cache_dir() -> Path:
    """Return the folder for what can be made again."""
    if own := os.environ.get("ANCHORWISE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "anchorwise"


def entry_path(*made_from: object) -> Path:
    """Return where the images made from these values are kept; every value counts by its `repr`."""
    digest = hashlib.sha256(repr((_FORMAT, *made_from)).encode()).hexdigest()
    return cache_dir() / "decoded" / f"{digest[:32]}.safetensors"


def load(path: Path) -> Decoded | None:
    """Return an entry, its pixels memory-mapped; None if there is none or it is damaged."""
    try:
        tensors = load_file(path)
        listing = json.loads(tensors["listing"].numpy().tobytes())
        skipped = tuple((name, reason) for name, reason in listing["skipped"])
        return Decoded(tensors["images"], tuple(listing["names"]), skipped)
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def store(path: Path, decoded: Decoded) -> Decoded:
    """Write an entry and return it memory-mapped; where the folder cannot be written, warn and return `decoded`."""
    listing = json.dumps({"names": decoded.names, "skipped": decoded.skipped}).encode()
    tensors = {"images": decoded.images, "listing": torch.frombuffer(bytearray(listing), dtype=torch.uint8)}
    try:
        with _files.replacing(path) as temporary:
            save_file(tensors, temporary)
    except OSError as error:
        warnings.warn(
            f"decoded images are not kept ({error}); set ANCHORWISE_CACHE to a folder that can be written", stacklevel=2
        )
        return decoded
    return load(path) or decoded
