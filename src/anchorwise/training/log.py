"""What a run writes down while it goes on: JSON lines and TensorBoard events."""

import json
from collections.abc import Mapping
from typing import Any

from anchorwise import _files
from anchorwise.training.run_directory import RunDirectory, log_line


class RunLog:
    """Appends to `log.jsonl` and to TensorBoard.

    Args:
        directory: The run's folder.
        next_step: Lines of this step and later, which a killed run wrote after its last checkpoint, are removed.
    """

    def __init__(self, directory: RunDirectory, *, next_step: int) -> None:
        # Not above: whoever only judges or diagnoses embeddings needs no TensorBoard.
        from torch.utils.tensorboard import SummaryWriter

        kept = _lines_before(directory, next_step)
        _files.write_text(directory.log_file, "".join(kept))
        self._path = directory.log_file
        self._file = self._path.open("a", encoding="utf-8")
        self._events = SummaryWriter(directory.path / "tensorboard", purge_step=next_step)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one line; `kind` is "step" or "watch"."""
        with _files.writing(self._path):
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        self._events.close()


def _lines_before(directory: RunDirectory, step: int) -> list[str]:
    """Return whole lines of earlier steps; a line cut short by a kill is dropped."""
    if not directory.log_file.is_file():
        return []
    with _files.reading(directory.log_file, way_out="remove it to go on without it"):
        lines = directory.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
        return [line for line in lines if line.endswith("\n") and log_line(line)["step"] < step]
