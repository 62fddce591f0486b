"""Decoded pictures in the order in which they come, so that none need stay in memory until the last one is there."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anchorwise.modalities.images.decode import Pixels

_File = io.FileIO | io.BytesIO


class Spool:
    """Pictures one after the other in a nameless file; in memory where there is no disk for it, or once that is full.

    Args:
        folder: Where the file lies; None for memory.

    Attributes:
        names: Of the pictures, as they came.
    """

    def __init__(self, folder: Path | None) -> None:
        self.names: list[str] = []
        self._shapes: list[tuple[int, ...]] = []
        self._starts = [0]
        self._file = _file_in(folder)

    def add(self, name: str, pixels: Pixels) -> None:
        """Take a picture of shape (channels, height, width)."""
        content = pixels.tobytes()
        try:
            _write(self._file, content)
        except OSError:  # No room left on the disk; what is there can still be read.
            self._file = self._in_memory()
            _write(self._file, content)
        self.names.append(name)
        self._shapes.append(pixels.shape)
        self._starts.append(self._starts[-1] + len(content))

    def order(self) -> list[int]:
        """Return the pictures' places in the order of their names."""
        return sorted(range(len(self.names)), key=self.names.__getitem__)

    def shape(self) -> tuple[int, int, int, int]:
        """Return number, channels, height and width of all of them; one size and channel count, but for grey ones.

        Raises:
            ValueError: If they differ; the first by name is what others are compared with.
        """
        order = self.order()
        first, size_px = order[0], self._shapes[order[0]][1:]
        num_channels = max(shape[0] for shape in self._shapes)
        for place in order:
            channels, *size = self._shapes[place]
            if tuple(size) != size_px:
                raise ValueError(
                    f"images must share one size, got {self._size(place)} in {self.names[place]!r} and "
                    f"{self._size(first)} in {self.names[first]!r}; set image_size_px to resize them"
                )
            if channels != num_channels and (channels, num_channels) != (1, 3):
                raise ValueError(
                    f"images must share one channel count, got {channels} in {self.names[place]!r} and {num_channels}"
                )
        return len(order), num_channels, size_px[0], size_px[1]

    def rows(self) -> Iterator[Pixels]:
        """Yield all in the order of their names, grey ones in every colour channel where there is colour."""
        _, *shape = self.shape()
        for place in self.order():
            self._file.seek(self._starts[place])
            content = self._file.read(self._starts[place + 1] - self._starts[place])
            pixels = np.frombuffer(content, np.uint8).reshape(self._shapes[place])
            yield np.ascontiguousarray(np.broadcast_to(pixels, shape))

    def stacked(self) -> Pixels:
        """Return all of them in one array."""
        whole = np.empty(self.shape(), np.uint8)
        for row, pixels in zip(whole, self.rows(), strict=True):
            row[...] = pixels
        return whole

    def close(self) -> None:
        """Let go of the file, which is then gone."""
        self._file.close()

    def _in_memory(self) -> _File:
        taken = io.BytesIO()
        self._file.seek(0)
        shutil.copyfileobj(self._file, taken)
        taken.truncate(self._starts[-1])  # Without what was still written of the picture that found no room.
        taken.seek(0, io.SEEK_END)
        self._file.close()
        return taken

    def _size(self, place: int) -> str:
        _, height, width = self._shapes[place]
        return f"{width} x {height} px"


def _file_in(folder: Path | None) -> _File:
    if folder is None:
        return io.BytesIO()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without a buffer: a full disk must show at the picture that finds no room.
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError:
        return io.BytesIO()


def _write(file: _File, content: bytes) -> None:
    """Write all of it: a file without a buffer may take a part."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
