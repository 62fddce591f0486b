"""What a run shows while it goes on: a live line on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_EVERY_S = 20.0
_SHOWN = {
    "loss": "loss {:.3f}",
    "above_chance": "chance {:+.3f}",
    "lambda": "lambda {:.2f}",
    "exponent": "exponent {:.1f}",
    "hardest_score": "hardest {:.3f}",
    "knn_accuracy": "kNN {:.1%}",
    "images_per_s": "{:.0f} images/s",
}


class RunProgress:
    """Shows steps done, the newest numbers, and the time left.

    Args:
        num_steps: Steps of the whole run.
        done: Steps done before this process.
        show: Whether to show anything.
    """

    def __init__(self, *, num_steps: int, done: int, show: bool) -> None:
        self._console = Console(stderr=True)
        self._live = show and self._console.is_terminal
        self._plain = show and not self._live
        self._num_steps, self._newest = num_steps, dict[str, Any]()
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=num_steps, completed=done)
        self._started_s, self._printed_s, self._first = time.monotonic(), -_PLAIN_EVERY_S, done
        self._is_over = False

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, done: int, newest: Mapping[str, Any] | None = None) -> None:
        """Show that `done` steps are done, with the newest numbers where there are any."""
        self._newest.update(newest or {})
        self._bar.update(self._task, completed=done, description=self._numbers())
        now_s = time.monotonic()
        is_due = now_s - self._printed_s >= _PLAIN_EVERY_S or done == self._num_steps
        if self._plain and newest and is_due and not self._is_over:
            left_s = (now_s - self._started_s) / max(done - self._first, 1) * (self._num_steps - done)
            print(f"step {done}/{self._num_steps}  {self._numbers()}  {left_s:.0f} s left", flush=True)
            self._printed_s, self._is_over = now_s, done == self._num_steps

    def _numbers(self) -> str:
        return "  ".join(text.format(self._newest[name]) for name, text in _SHOWN.items() if name in self._newest)
