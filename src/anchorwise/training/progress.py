"""What a run shows while it goes on: a live picture on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from anchorwise._terminal import printable
from anchorwise.evaluation.registry import JUDGES, warnings_of
from anchorwise.training.measured import STEP_METRICS, step_warnings

_PLAIN_EVERY_S = 20.0


class RunProgress:
    """Shows what begins, steps done, the newest numbers, and the time left.

    Args:
        num_steps: Steps of the whole run.
        done: Steps done before this process.
        heading: What begins, in a line or two.
        show: Whether to show anything.
    """

    def __init__(self, *, num_steps: int, done: int, heading: str, show: bool) -> None:
        console = Console(stderr=True)
        self._plain = show and not console.is_terminal
        self._num_steps, self._newest = num_steps, dict[str, Any]()
        self._picture = _Picture(console, disable=not show or self._plain)
        self._task = self._picture.add_task("", total=num_steps, completed=done)
        self._started_s, self._printed_s = time.monotonic(), -_PLAIN_EVERY_S
        self._first, self._done, self._heading = done, done, printable(heading)

    def __enter__(self) -> "RunProgress":
        if self._plain:
            print(self._heading, flush=True)
        elif not self._picture.disable:
            self._picture.console.print(self._heading, markup=False, highlight=False)
        self._picture.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._picture.stop()
        if self._plain and self._newest:  # The last numbers, among them those of the evaluation after the last step.
            self._print()

    def step(self, done: int, newest: Mapping[str, Any] | None = None) -> None:
        """Show that `done` steps are done, with the newest numbers where there are any."""
        self._done = done
        self._newest.update(newest or {})
        self._picture.numbers = self._numbers()
        self._picture.update(self._task, completed=done)
        is_due = time.monotonic() - self._printed_s >= _PLAIN_EVERY_S and done < self._num_steps
        if self._plain and newest and is_due:
            self._print()

    def _print(self) -> None:
        self._printed_s = time.monotonic()
        per_step_s = (self._printed_s - self._started_s) / max(self._done - self._first, 1)
        left_s = per_step_s * (self._num_steps - self._done)
        print(f"step {self._done}/{self._num_steps}  {self._numbers()}  {left_s:.0f} s left", flush=True)

    def _numbers(self) -> str:
        *of_the_step, rate = STEP_METRICS
        shown = (*of_the_step, *(judge.watched[0] for judge in JUDGES.values() if judge.watched), rate)
        texts = [metric.text(self._newest[metric.name]) for metric in shown if metric.name in self._newest]
        return "  ".join([*texts, *step_warnings(self._newest), *warnings_of(self._newest)])


class _Picture(Progress):
    """A bar with the numbers below it, where they take nothing of its width."""

    def __init__(self, console: Console, *, disable: bool) -> None:
        columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(bar_width=20), TimeRemainingColumn())
        self.numbers = ""
        super().__init__(*columns, console=console, disable=disable)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.numbers)
