"""What is shown while files are decoded: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from anchorwise._terminal import printable
from anchorwise.modalities.progress import OnProgress, ReadingProgress

_FIRST_AFTER_S = 2.0
_PLAIN_EVERY_S = 20.0


@contextmanager
def reading_progress(*, show: bool = True) -> Iterator[OnProgress | None]:
    """Yield what to hand to `load_splits`; nothing is shown of images that need not be decoded.

    Args:
        show: Whether to show anything.
    """
    if not show:
        yield None
        return
    shown = _Shown(Console(stderr=True))
    try:
        yield shown.update
    finally:
        shown.bar.stop()


class _Shown:
    def __init__(self, console: Console) -> None:
        self.bar = Progress(
            TextColumn("decoding"),
            TaskProgressColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self.bar.add_task("", total=1.0)
        self._is_live = console.is_terminal
        self._started_s = time.monotonic()
        self._printed_s = self._started_s + _FIRST_AFTER_S - _PLAIN_EVERY_S

    def update(self, moment: ReadingProgress) -> None:
        self.bar.start()
        files = f"{moment.num_files:,} files of {printable(moment.source.name)}"
        self.bar.update(self._task, completed=moment.share, description=files)
        now_s = time.monotonic()
        if moment.kept_in is not None:
            self.bar.stop()
            num_mib = moment.kept_in.stat().st_size / 2**20
            self._print(f"decoded {files} in {now_s - self._started_s:.0f} s: {num_mib:.3g} MiB in {moment.kept_in}")
        elif not self._is_live and now_s - self._printed_s >= _PLAIN_EVERY_S:
            self._print(f"decoding  {moment.share:.0%}  {files}")

    def _print(self, line: str) -> None:
        print(line, flush=True)
        self._printed_s = time.monotonic()
