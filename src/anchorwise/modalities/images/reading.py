"""Every image under a path, decoded once: a folder, or an archive of one.

Hidden files, and files whose suffix is not that of a picture, are no images. Pictures that cannot be read, and pictures
of a kind that is not read, are listed, not lost. Grey images among colour ones become RGB.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from anchorwise._warnings import warn
from anchorwise.modalities.images.cache import Decoded, Entry
from anchorwise.modalities.images.config import DEFAULT_MAX_DECODED_GIB
from anchorwise.modalities.images.decode import (
    IMAGE_SUFFIXES,
    OTHER_PICTURE_SUFFIXES,
    Picture,
    Pixels,
    TooManyBytesError,
    decode_all,
)
from anchorwise.modalities.images.sidecars import LABEL_SUFFIXES, Sidecars
from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.progress import OnProgress, Reporter
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.sources import Source, open_source

_DARK = 25  # Of 255: a tenth of the range.


def read_images(
    path: Path | str,
    *,
    image_size_px: int | None = None,
    leave_out: Sequence[str] = (),
    max_decoded_gib: float = DEFAULT_MAX_DECODED_GIB,
    on_progress: OnProgress | None = None,
) -> Decoded:
    """Return the images of a folder or archive, sorted by name; decoded ones are cached (`cache` in this package).

    Warns if all of them that have 16 bits a value are nearly black.

    Args:
        path: A folder, or an archive named like `ARCHIVE_SUFFIXES`.
        image_size_px: Height and width to resize to; None requires one square size of all images.
        leave_out: Names of folders whose images are left out.
        max_decoded_gib: How much memory the decoded images may take.
        on_progress: Told how far the reading is, and where the images are kept.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        UnusableFileError: If the archive is damaged or refused, or a file cannot be read at all; nothing is cached.
        ValueError: If no image can be decoded, sizes or channel counts differ, or the limit is passed.
    """
    source = open_source(Path(path))
    report = Reporter(source.path, on_progress)
    entry = Entry(source.fingerprint(), image_size_px, tuple(leave_out))
    decoded = entry.load()
    if decoded is None:
        with entry.alone():
            decoded = entry.load()  # Another may have been at it.
            if decoded is None:
                decoded = _decode(source, image_size_px, _Sieve(leave_out), max_decoded_gib, report)
                decoded = _kept(entry, decoded, report)
    if decoded.note:
        warn(f"{path}: {decoded.note}")
    return decoded


def _kept(entry: Entry, decoded: Decoded, report: Reporter) -> Decoded:
    """Return the images memory-mapped from the cache, so that they need not stay in memory, if they can be kept."""
    if not entry.store(decoded):
        return decoded
    report.kept(entry.path)
    return entry.load() or decoded


class _Sieve:
    """Tells which files are read, and collects the pictures among the others."""

    def __init__(self, leave_out: Sequence[str]) -> None:
        self._leave_out = frozenset(leave_out)
        self.unread: list[Skipped] = []

    def __call__(self, name: str) -> bool:
        if is_hidden(name) or not self._leave_out.isdisjoint(name.split("/")[:-1]):
            return False
        suffix = name[name.rfind(".") :].lower()
        if suffix in OTHER_PICTURE_SUFFIXES:
            self.unread.append(Skipped(name, f"suffix {suffix} not known; save it as .png"))
        return suffix in IMAGE_SUFFIXES or suffix in LABEL_SUFFIXES


def _decode(
    source: Source, image_size_px: int | None, sieve: _Sieve, max_decoded_gib: float, report: Reporter
) -> Decoded:
    sidecars = Sidecars()
    files = sidecars.taken_out(source.files(sieve, report.read))
    try:
        results = decode_all(files, image_size_px, max_bytes=max_decoded_gib * 2**30, on_decoded=report.decoded)
    except TooManyBytesError as error:
        raise TooManyBytesError(
            f"{source.path} is refused: {error}; raise data.max_decoded_gib if you trust it and have the memory, or "
            "lower data.image_size_px"
        ) from error
    broken = [Skipped(name, item.reason) for name, item in results if isinstance(item, Skipped)]
    skipped = sorted([*broken, *sieve.unread, *source.skipped], key=lambda item: item.name)
    pictures = sorted(((name, item) for name, item in results if isinstance(item, Picture)), key=lambda pair: pair[0])
    if not pictures:
        first = f"; the first of {len(skipped)} is {skipped[0].name!r}: {skipped[0].reason}" if skipped else ""
        raise ValueError(f"{source.path} holds no readable image ({', '.join(IMAGE_SUFFIXES)}){first}")
    names = tuple(name for name, _ in pictures)
    return Decoded(
        torch.from_numpy(_stack([(name, picture.pixels) for name, picture in pictures])),
        names,
        tuple((item.name, item.reason) for item in skipped),
        sidecars.classes_of(names),
        _note_on_depth(picture for _, picture in pictures),
    )


def _note_on_depth(pictures: Iterable[Picture]) -> str:
    """Return a word on 16-bit pictures that use less than a tenth of their range: often 12 bits in a frame of 16."""
    brightest = [int(picture.pixels.max()) for picture in pictures if picture.is_deep]
    if not brightest or max(brightest) > _DARK:
        return ""
    return (
        f"every picture of 16 bits ({len(brightest)}) is nearly black, at most {max(brightest)} of 255: white is taken "
        "to be 65535. If it is lower here, such as 4095 of 12 bits, save them stretched to 65535"
    )


def _stack(images: list[tuple[str, Pixels]]) -> Pixels:
    """Copy the images into one array, grey ones into every colour channel where there is colour."""
    first_name, first = images[0]
    size_px = first.shape[2]
    num_channels = max(pixels.shape[0] for _, pixels in images)
    stacked = np.empty((len(images), num_channels, size_px, size_px), np.uint8)
    for row, (name, pixels) in zip(stacked, images, strict=True):
        if pixels.shape[1:] != (size_px, size_px):
            raise ValueError(
                f"images must share one square size, got {_size(pixels)} in {name!r} and {_size(first)} in "
                f"{first_name!r}; set image_size_px to resize them"
            )
        if pixels.shape[0] != num_channels and (pixels.shape[0], num_channels) != (1, 3):
            raise ValueError(
                f"images must share one channel count, got {pixels.shape[0]} in {name!r} and {num_channels}"
            )
        row[...] = pixels
    return stacked


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[2]} x {pixels.shape[1]} px"
