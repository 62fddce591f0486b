"""Every image under a path, decoded once: a folder, or an archive of one.

Hidden files and files without the suffix of an image (`anchorwise.data.decode.IMAGE_SUFFIXES`) are no images. Images
that cannot be read are listed, not lost. Grey images among colour ones become RGB.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from anchorwise.data import cache
from anchorwise.data.archives import ARCHIVE_SUFFIXES, is_archive, read_archive
from anchorwise.data.cache import Decoded
from anchorwise.data.decode import IMAGE_SUFFIXES, Payload, Pixels, decode_all
from anchorwise.data.images import SkippedImage


def is_image_name(name: str) -> bool:
    """Whether a relative name is that of an image: a known suffix, nothing hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    return not hidden and name.lower().endswith(IMAGE_SUFFIXES)


def read_images(
    path: Path, *, image_size_px: int | None = None, wanted: Callable[[str], bool] = is_image_name
) -> Decoded:
    """Return the images of a folder or archive, sorted by name; decoded images are cached (`anchorwise.data.cache`).

    Args:
        path: A folder, or an archive named like `ARCHIVE_SUFFIXES`.
        image_size_px: Height and width to resize to; None requires one square size of all images.
        wanted: Which relative names are images of interest.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ArchiveError: If the archive is refused.
        ValueError: If no image can be read, or sizes or channel counts differ.
    """
    _check_path(path)
    entry = cache.entry_path(_fingerprint(path), image_size_px, wanted.__qualname__)
    kept = cache.load(entry)
    if kept is not None:
        return kept
    members = read_archive(path, wanted) if path.is_file() else _read_folder(path, wanted)
    return cache.store(entry, _gather(path, members, image_size_px))


def _check_path(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"no folder or archive of images at {path.absolute()}; check the path")
    if path.is_file() and not is_archive(path):
        raise ValueError(f"{path} must be a folder or end in one of {', '.join(ARCHIVE_SUFFIXES)}")


def _fingerprint(path: Path) -> object:
    """What changes when the images do: names, sizes and times of change."""
    if path.is_file():
        status = path.stat()
        return str(path.resolve()), status.st_size, status.st_mtime_ns
    files = ((name, Path(file).stat()) for name, file in _walk(path))
    return str(path.resolve()), [(name, status.st_size, status.st_mtime_ns) for name, status in files]


def _read_folder(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Payload]]:
    return ((name, file) for name, file in _walk(path) if wanted(name))


def _walk(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative name and path of every file; linked folders are followed, but never from inside themselves."""
    for folder, subfolders, files in os.walk(path, followlinks=True):
        here = os.path.realpath(folder)
        subfolders[:] = [sub for sub in subfolders if not _encloses(os.path.realpath(os.path.join(folder, sub)), here)]
        for file in map(Path(folder).joinpath, files):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file


def _encloses(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _gather(path: Path, members: Iterator[tuple[str, Payload]], image_size_px: int | None) -> Decoded:
    results = sorted(decode_all(members, image_size_px), key=lambda result: result[0])
    skipped = tuple((name, item.reason) for name, item in results if isinstance(item, SkippedImage))
    images = [(name, item) for name, item in results if not isinstance(item, SkippedImage)]
    if not images:
        first = f"; the first of {len(skipped)} that cannot be read is {skipped[0]}" if skipped else ""
        raise ValueError(f"{path} holds no readable image ({', '.join(IMAGE_SUFFIXES)}){first}")
    return Decoded(torch.from_numpy(_stack(images)), tuple(name for name, _ in images), skipped)


def _stack(images: list[tuple[str, Pixels]]) -> Pixels:
    """Copy the images into one array, grey ones into every colour channel where there is colour."""
    first_name, first = images[0]
    size_px = first.shape[2]
    num_channels = max(pixels.shape[0] for _, pixels in images)
    stacked = np.empty((len(images), num_channels, size_px, size_px), np.uint8)
    for row, (name, pixels) in zip(stacked, images, strict=True):
        if pixels.shape[1:] != (size_px, size_px):
            raise ValueError(
                f"images must share one square size, got {_size(pixels)} in {name} and {_size(first)} in {first_name}; "
                "set image_size_px to resize them"
            )
        if pixels.shape[0] != num_channels and (pixels.shape[0], num_channels) != (1, 3):
            raise ValueError(f"images must share one channel count, got {pixels.shape[0]} in {name} and {num_channels}")
        row[...] = pixels
    return stacked


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[2]} x {pixels.shape[1]} px"
