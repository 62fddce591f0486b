"""Archives of strangers, read as a stream and never unpacked to disk.

Refused whole, before or at the offending member: paths outside the archive, links, devices, two members of one name,
encrypted or damaged archives, and decompression bombs (limits on members, bytes and compression ratio).
"""

import gzip
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from anchorwise import _files

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")

_MIB = 1 << 20
_GZIP_START = b"\x1f\x8b"


class ArchiveError(_files.UnusableFileError):
    """An archive that is not safe to read."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may unpack to.

    Attributes:
        num_members: Files, folders included.
        member_bytes: One file, unpacked.
        total_bytes: All files, unpacked.
        ratio: Unpacked over packed bytes.
        ratio_free_bytes: Unpacked bytes up to which the ratio is not looked at: small archives of plain pictures
            compress well and harm nobody.
    """

    num_members: int = 5_000_000
    member_bytes: int = 512 * _MIB
    total_bytes: int = 256 * 1024 * _MIB
    ratio: float = 200.0
    ratio_free_bytes: int = 256 * _MIB


DEFAULT_LIMITS = ArchiveLimits()


def is_archive(path: Path) -> bool:
    """Whether the name of `path` ends like an archive that `read_archive` reads."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def read_archive(
    path: Path,
    wanted: Callable[[str], bool],
    *,
    limits: ArchiveLimits = DEFAULT_LIMITS,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every wanted file of a tar or zip archive, in the archive's order.

    Every member is checked, wanted or not.

    Args:
        path: The archive.
        wanted: Called with a member's name, in forward slashes and relative to the archive.
        limits: What makes a decompression bomb.
        on_share: Called with the share of the archive that is read, in [0, 1], before every wanted file.

    Raises:
        ArchiveError: If a member is refused; the message names it.
        UnusableFileError: If the archive is damaged or cannot be read.
    """
    read = _read_zip if path.name.lower().endswith(".zip") else _read_tar
    with _files.reading(path):
        yield from read(path, wanted, _Guard(path, limits), on_share)


class _Guard:
    """The checks both kinds of archive share, with what they need to remember."""

    def __init__(self, path: Path, limits: ArchiveLimits) -> None:
        self.path = path
        self.limits = limits
        self._packed_bytes = max(1, path.stat().st_size)
        self._files: set[str] = set()
        self._num_members = 0

    def refuse(self, reason: str) -> ArchiveError:
        return ArchiveError(
            f"{self.path} is refused: {reason}; nothing was written. If you trust it, unpack it yourself and pass "
            "the folder"
        )

    def member(self, name: str, *, is_file: bool, is_folder: bool) -> str:
        """Return the clean name of a member that may be read."""
        self._num_members += 1
        if self._num_members > self.limits.num_members:
            raise self.refuse(f"more than {self.limits.num_members} members")
        if not is_file and not is_folder:
            raise self.refuse(f"member {name!r} is a link, a device or another special file")
        parts = re.split(r"[/\\]", name)
        if parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
            raise self.refuse(f"member {name!r} points outside of the archive")
        clean = "/".join(part for part in parts if part not in ("", "."))
        if is_file:
            self._new_file(clean)
        return clean

    def sizes(self, member_bytes: int, total_bytes: int, where: str) -> None:
        """Refuse what unpacks to more than the limits."""
        limits = self.limits
        if member_bytes > limits.member_bytes:
            raise self.refuse(f"{where} unpacks to more than {limits.member_bytes} bytes")
        if total_bytes > limits.total_bytes:
            raise self.refuse(f"it unpacks to more than {limits.total_bytes} bytes")
        if total_bytes > max(limits.ratio_free_bytes, limits.ratio * self._packed_bytes):
            raise self.refuse(f"it unpacks to more than {limits.ratio:g} times its size, as a decompression bomb does")

    def _new_file(self, name: str) -> None:
        if name in self._files:
            raise self.refuse(f"two members are named {name!r}")
        self._files.add(name)


class _Metered:
    """A readable stream that counts, so that headers and skipped members are held to the limits as well."""

    def __init__(self, stream: io.BufferedIOBase, guard: _Guard) -> None:
        self._stream = stream
        self._guard = guard
        self._total_bytes = 0
        self._member_start = 0
        self._content_end = 0

    def next_member(self) -> None:
        self._member_start = self._total_bytes

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if content := data.rstrip(b"\0"):
            self._content_end = self._total_bytes + len(content)
        self._total_bytes += len(data)
        # A tar header and the padding around it are not the member's own bytes.
        in_member = self._total_bytes - self._member_start - 64 * 1024
        self._guard.sizes(in_member, self._total_bytes, "a member or its header")
        return data

    def check_end(self, start: int) -> None:
        """Raise unless zeros, at least one tar block of them, are all there is from `start` on."""
        while self.read(_MIB):
            pass
        if self._content_end > start or self._total_bytes < start + tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"no readable header and no end of the archive at byte {start}")


def _read_tar(
    path: Path, wanted: Callable[[str], bool], guard: _Guard, on_share: Callable[[float], None]
) -> Iterator[tuple[str, bytes]]:
    num_bytes = max(1, path.stat().st_size)
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_START
        file.seek(0)
        metered = _Metered(gzip.GzipFile(fileobj=file) if is_gzip else file, guard)
        with tarfile.open(fileobj=cast(IO[bytes], metered), mode="r|") as archive:
            for info in archive:
                name = guard.member(info.name, is_file=info.isreg() and not info.issparse(), is_folder=info.isdir())
                guard.sizes(info.size, 0, f"member {name!r}")
                metered.next_member()
                if info.isreg() and wanted(name):
                    on_share(file.tell() / num_bytes)
                    yield name, cast(IO[bytes], archive.extractfile(info)).read()
                # A stream never goes back: forget the member, or the list of all of them stays in memory.
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue]
            # At a damaged header tarfile stops as if the archive ended there.
            metered.check_end(archive.offset)


def _read_zip(
    path: Path, wanted: Callable[[str], bool], guard: _Guard, on_share: Callable[[float], None]
) -> Iterator[tuple[str, bytes]]:
    total_bytes = 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for i, info in enumerate(members):
            kind = stat.S_IFMT(info.external_attr >> 16)
            name = guard.member(
                info.filename, is_file=not info.is_dir() and kind in (0, stat.S_IFREG), is_folder=info.is_dir()
            )
            if info.flag_bits & 0x1:
                raise guard.refuse(f"member {name!r} is encrypted")
            total_bytes += info.file_size
            guard.sizes(info.file_size, total_bytes, f"member {name!r}")
            if not info.is_dir() and wanted(name):
                on_share(i / len(members))
                # `read` stops at the declared size, so a member that lies about it fails its checksum instead.
                yield name, archive.read(info)
