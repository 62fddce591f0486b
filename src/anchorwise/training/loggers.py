"""Where the numbers of a run go beside its own log: TensorBoard's event files, Weights & Biases."""

import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

from anchorwise import _extras, _files
from anchorwise.training.config import LoggerName
from anchorwise.training.run_directory import RunDirectory


class Logger(ABC):
    """Takes numbers while a run goes on.

    Args:
        directory: The run's folder.
        next_step: The first step whose numbers are to come; a killed process may have sent some of them before.
    """

    @abstractmethod
    def __init__(self, directory: RunDirectory, *, next_step: int) -> None: ...

    @abstractmethod
    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Take the numbers of a step; `kind` is "step", "watch" or "task"."""

    @abstractmethod
    def close(self) -> None:
        """Write out what is buffered."""


def check_loggers(names: Sequence[LoggerName]) -> None:
    """Refuse a logger whose package is not there, before anything is done.

    Raises:
        ValueError: With what to install.
    """
    for name in names:
        if not _extras.is_installed(name):
            raise ValueError(f"train.log_to has {name}, which is not installed: {_extras.install(name)}")


def loggers(names: Sequence[LoggerName], directory: RunDirectory, *, next_step: int) -> list[Logger]:
    """Return what takes the numbers of a run from `next_step` on."""
    return [_LOGGERS[name](directory, next_step=next_step) for name in names]


@final
class TensorBoard(Logger):
    """Event files in the run's folder; numbers that are sent twice are shown once."""

    def __init__(self, directory: RunDirectory, *, next_step: int) -> None:
        # Not above: whoever only judges or diagnoses embeddings needs no TensorBoard.
        from torch.utils.tensorboard import SummaryWriter

        self._events = SummaryWriter(directory.path / "tensorboard", purge_step=next_step)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Take the numbers of a step."""
        for name, value in values.items():
            self._events.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._events.close()


@final
class WeightsAndBiases(Logger):
    """A run of wandb, the same one however often training is stopped and resumed.

    Its own environment variables say where it goes (`WANDB_PROJECT`, `WANDB_ENTITY`, `WANDB_MODE`). Numbers are shown
    over `step`; those that a killed process sent after its last checkpoint stay, and are sent again. The run's folder
    keeps its identifier.

    Raises:
        ValueError: If wandb does not start.
    """

    def __init__(self, directory: RunDirectory, *, next_step: int) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        identifier = directory.path / "wandb-id"
        if not identifier.is_file():
            _files.write_text(identifier, uuid.uuid4().hex[:8] + "\n")
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "anchorwise"),
                name=os.environ.get("WANDB_NAME", directory.path.name),
                id=identifier.read_text(encoding="utf-8").strip(),
                resume="allow",
                dir=str(directory.path),
                config=directory.config().model_dump(mode="json"),
            )
        except Exception as error:
            raise ValueError(
                f"train.log_to has wandb, which does not start: {error}; `wandb login` first, or set "
                "WANDB_MODE=offline to keep its files on this disk"
            ) from error
        self._run.define_metric("*", step_metric="step")

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Take the numbers of a step."""
        self._run.log({"step": step, **{f"{kind}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        """Send what is buffered."""
        self._run.finish()


_LOGGERS: dict[LoggerName, type[Logger]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
