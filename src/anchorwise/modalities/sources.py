"""Where files come from, a folder or an archive of one: what changes when they do, and the files one by one."""

import heapq
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from anchorwise import _files
from anchorwise.modalities.archives import ARCHIVE_SUFFIXES, is_archive, read_archive
from anchorwise.modalities.layout import is_hidden, is_in_split
from anchorwise.modalities.samples import Skipped

Payload = bytes | Path  # What a file holds, or where it lies.


class Source(ABC):
    """A place that holds files.

    Attributes:
        path: Where it is.
        skipped: What is left out unseen, each with its reason.
    """

    path: Path
    skipped: tuple[Skipped, ...] = ()

    @abstractmethod
    def fingerprint(self) -> object:
        """Return what changes when the files do: names, sizes and times of change."""

    @abstractmethod
    def files(self, wanted: Callable[[str], bool], on_share: Callable[[float], None]) -> Iterator[tuple[str, Payload]]:
        """Yield relative name and content of every wanted file.

        Args:
            wanted: Called once with every relative name.
            on_share: Called with the share of the source that is read, in [0, 1].
        """


def content_of(payload: Payload) -> bytes:
    """Return the bytes of a file, so that a decoder never meets a disk: its errors are then about the bytes alone."""
    if isinstance(payload, bytes):
        return payload
    with _files.reading(payload):
        return payload.read_bytes()


def open_source(path: Path, what: str = "images") -> Source:
    """Return the folder or archive at `path`.

    Args:
        path: Where it is.
        what: What it is to hold, for messages.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        UnusableFileError: If a folder cannot be read.
        ValueError: If `path` is neither a folder nor named like an archive (`ARCHIVE_SUFFIXES`).
    """
    if not path.exists():
        raise FileNotFoundError(f"no folder or archive of {what} at {path.absolute()}; check the path")
    if path.is_dir():
        return _Folder(path)
    if not is_archive(path):
        raise ValueError(f"{path} must be a folder or end in one of {', '.join(ARCHIVE_SUFFIXES)}")
    return _Archive(path)


@final
class _Archive(Source):
    def __init__(self, path: Path) -> None:
        self.path = path

    def fingerprint(self) -> object:
        return str(self.path.resolve()), *_state(self.path)

    def files(self, wanted: Callable[[str], bool], on_share: Callable[[float], None]) -> Iterator[tuple[str, Payload]]:
        return read_archive(self.path, wanted, on_share=on_share)


@final
class _Folder(Source):
    def __init__(self, path: Path) -> None:
        self.path = path
        walk = _Walk(path)
        self._names = sorted(walk.names())
        self.skipped = tuple(
            Skipped(name, "is a folder that is read under another name") for name in sorted(walk.repeated)
        )

    def fingerprint(self) -> object:
        return str(self.path.resolve()), [(name, *_state(self.path / name)) for name in self._names]

    def files(self, wanted: Callable[[str], bool], on_share: Callable[[float], None]) -> Iterator[tuple[str, Payload]]:
        for i, name in enumerate(self._names):
            if wanted(name):
                on_share(i / len(self._names))
                yield name, self.path / name


def _state(path: Path) -> tuple[int, int]:
    with _files.reading(path):
        status = path.stat()
        return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, order=True)
class _Found:
    """A folder that waits to be read; folders are read in the order of these fields, the name that counts first."""

    is_outside: bool  # Of the splits.
    is_linked: bool
    depth: int
    name: str


class _Walk:
    """Every file below a folder that is not hidden.

    Linked folders are followed. A folder with several names is read once, under the first of them: inside of a split
    before outside, its real name before a link, near the top before deep below.
    """

    def __init__(self, root: Path) -> None:
        self.repeated: list[str] = []
        self._root = root
        self._seen: set[tuple[int, int]] = set()  # Device and inode.
        self._waiting = [_Found(True, False, 0, "")]

    def names(self) -> Iterator[str]:
        while self._waiting:
            folder = heapq.heappop(self._waiting)
            with _files.reading(self._root / folder.name):
                if self._is_new(folder):
                    yield from self._files_of(folder)

    def _is_new(self, folder: _Found) -> bool:
        status = (self._root / folder.name).stat()
        key = status.st_dev, status.st_ino
        if key in self._seen:
            self.repeated.append(folder.name)
            return False
        self._seen.add(key)
        return True

    def _files_of(self, folder: _Found) -> Iterator[str]:
        """Yield the names of the files of a folder, and let its subfolders wait."""
        for entry in os.scandir(self._root / folder.name):
            name = f"{folder.name}/{entry.name}" if folder.name else entry.name
            if is_hidden(entry.name):
                continue
            # A link that leads nowhere, or round in a circle, is neither folder nor file to a path.
            item = Path(entry.path) if entry.is_symlink() else entry
            if item.is_dir():
                is_linked = folder.is_linked or entry.is_symlink()
                heapq.heappush(self._waiting, _Found(not is_in_split(name), is_linked, folder.depth + 1, name))
            elif item.is_file():
                yield name
