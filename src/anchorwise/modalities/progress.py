"""How far the images of a folder or archive are read, told to whoever wants to show it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReadingProgress:
    """A moment of the reading of a folder or archive; there is none where the images come from the cache.

    Attributes:
        source: The folder or archive.
        num_files: Images decoded so far.
        share: How much of the source is read, in [0, 1].
        kept_in: The cache entry that holds the decoded images, once all are in it.
    """

    source: Path
    num_files: int
    share: float
    kept_in: Path | None = None


OnProgress = Callable[[ReadingProgress], None]


class Reporter:
    """Puts together what the reader of a source and the decoder of its files know of the progress.

    Args:
        source: The folder or archive.
        on_progress: Whom to tell; None tells nobody.
    """

    def __init__(self, source: Path, on_progress: OnProgress | None) -> None:
        self._source, self._on_progress = source, on_progress
        self._num_files, self._share = 0, 0.0

    def read(self, share: float) -> None:
        """Note how much of the source is read, in [0, 1]."""
        self._share = share

    def decoded(self, num_files: int) -> None:
        """Tell that so many files are decoded."""
        self._num_files = num_files
        self._tell(None)

    def kept(self, entry: Path) -> None:
        """Tell where the decoded images are kept."""
        self._share = 1.0
        self._tell(entry)

    def _tell(self, kept_in: Path | None) -> None:
        if self._on_progress is not None:
            self._on_progress(ReadingProgress(self._source, self._num_files, self._share, kept_in))
