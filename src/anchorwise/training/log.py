"""What a run writes down while it goes on: JSON lines, and what the loggers that it names make of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from anchorwise import _files
from anchorwise.training.config import LoggerName
from anchorwise.training.loggers import loggers
from anchorwise.training.run_directory import RunDirectory, log_line


class RunLog:
    """Appends to `log.jsonl` and tells the loggers.

    Args:
        directory: The run's folder.
        next_step: Lines of this step and later, which a killed run wrote after its last checkpoint, are removed.
        log_to: Loggers beside it.
    """

    def __init__(self, directory: RunDirectory, *, next_step: int, log_to: Sequence[LoggerName]) -> None:
        kept = _lines_before(directory, next_step)
        _files.write_text(directory.log_file, "".join(kept))
        self._path = directory.log_file
        self._loggers = loggers(log_to, directory, next_step=next_step)
        self._file = self._path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one line; `kind` is "step", "watch" or "task"."""
        with _files.writing(self._path):
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
        for logger in self._loggers:
            logger.write(kind, step, values)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        for logger in self._loggers:
            logger.close()


def _lines_before(directory: RunDirectory, step: int) -> list[str]:
    """Return whole lines of earlier steps; a line cut short by a kill is dropped."""
    if not directory.log_file.is_file():
        return []
    with _files.reading(directory.log_file, way_out="remove it to go on without it"):
        lines = directory.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n") and log_line(line)["step"] < step]
