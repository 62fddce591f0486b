"""Every image under a path, decoded once: a folder, or an archive of one.

Hidden files, and files whose suffix is not that of a picture, are no images. Pictures that cannot be read, and pictures
of a kind that is not read, are listed, not lost. Grey images among colour ones become RGB.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch

from anchorwise._warnings import warn
from anchorwise.modalities.images.cache import Decoded, Entry, Listing
from anchorwise.modalities.images.config import DEFAULT_MAX_DECODED_GIB
from anchorwise.modalities.images.decode import (
    IMAGE_SUFFIXES,
    OTHER_PICTURE_SUFFIXES,
    TooManyBytesError,
    decode_all,
)
from anchorwise.modalities.images.sidecars import LABEL_SUFFIXES, Sidecars
from anchorwise.modalities.images.spool import Spool
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
        image_size_px: Height and width to resize to; None requires one size of all images.
        leave_out: Names of folders whose images are left out.
        max_decoded_gib: How much room the decoded images may take.
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
                with closing(entry.spool()) as spool:
                    listing = _decode(source, image_size_px, _Sieve(leave_out), max_decoded_gib, report, spool)
                    decoded = _kept(entry, listing, spool, report)
    if decoded.note:
        warn(f"{path}: {decoded.note}")
    return decoded


def _kept(entry: Entry, listing: Listing, pictures: Spool, report: Reporter) -> Decoded:
    """Return the images memory-mapped from the cache, so that they need not be in memory, if they can be kept."""
    if entry.store(listing, pictures):
        report.kept(entry.path)
        if (decoded := entry.load()) is not None:
            return decoded
    return Decoded(**vars(listing), images=torch.from_numpy(pictures.stacked()))


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
    source: Source, image_size_px: int | None, sieve: _Sieve, max_decoded_gib: float, report: Reporter, spool: Spool
) -> Listing:
    """Put all pictures into the spool, and return what is known of them."""
    sidecars = Sidecars()
    files = sidecars.taken_out(source.files(sieve, report.read))
    broken: list[Skipped] = []
    brightest: list[int] = []  # Of each picture with 16 bits.
    try:
        for name, item in decode_all(
            files, image_size_px, max_bytes=max_decoded_gib * 2**30, on_decoded=report.decoded
        ):
            if isinstance(item, Skipped):
                broken.append(Skipped(name, item.reason))
                continue
            spool.add(name, item.pixels)
            if item.is_deep:
                brightest.append(int(item.pixels.max()))
    except TooManyBytesError as error:
        raise TooManyBytesError(
            f"{source.path} is refused: {error}; raise data.max_decoded_gib if you trust it and have the room, or "
            "lower data.image_size_px"
        ) from error
    skipped = sorted([*broken, *sieve.unread, *source.skipped], key=lambda item: item.name)
    if not spool.names:
        first = f"; the first of {len(skipped)} is {skipped[0].name!r}: {skipped[0].reason}" if skipped else ""
        raise ValueError(f"{source.path} holds no readable image ({', '.join(IMAGE_SUFFIXES)}){first}")
    spool.shape()  # Sizes that differ are an error of the images, not of the cache.
    names = tuple(sorted(spool.names))
    return Listing(
        names=names,
        skipped=tuple((item.name, item.reason) for item in skipped),
        classes=sidecars.classes_of(names),
        note=_note_on_depth(brightest),
    )


def _note_on_depth(brightest: Sequence[int]) -> str:
    """Return a word on 16-bit pictures that use less than a tenth of their range: often 12 bits in a frame of 16."""
    if not brightest or max(brightest) > _DARK:
        return ""
    return (
        f"every picture of 16 bits ({len(brightest)}) is nearly black, at most {max(brightest)} of 255: white is taken "
        "to be 65535. If it is lower here, such as 4095 of 12 bits, save them stretched to 65535"
    )
