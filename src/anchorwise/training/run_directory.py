"""The folder of a run: what it was asked to do, where, what happened, and what came out."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorwise import _files, _outputs
from anchorwise._config import identity, read_section
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.fingerprint import DataFacts
from anchorwise.modalities.registry import rebuild
from anchorwise.reporting.environment import environment
from anchorwise.training.config import RunConfig


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run's files.

    `config.json`, `data.json` and `environment.json` are there before the first step, `log.jsonl`, `tensorboard/` and
    `checkpoint.safetensors` while it goes on, `encoder.json`, `encoder.safetensors` and `summary.json` when it is done,
    with `without_average/` where a moving average is kept, and `beside/` where a method has several encoders. What
    judges keep of long work is in `judged/`.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.json"

    @property
    def data_file(self) -> Path:
        """Facts that identify the samples."""
        return self.path / "data.json"

    @property
    def log_file(self) -> Path:
        """One JSON object per logged step or look at the encoder."""
        return self.path / "log.jsonl"

    @property
    def checkpoint_file(self) -> Path:
        """The state from which a stopped run goes on."""
        return self.path / "checkpoint.safetensors"

    @property
    def without_average(self) -> Path:
        """Folder of the encoder itself, where its moving average is the one that is kept."""
        return self.path / "without_average"

    @property
    def judged(self) -> Path:
        """Folder of the finished pieces of long judgements."""
        return self.path / "judged"

    @property
    def summary_file(self) -> Path:
        """What came out; its presence says that the run is done."""
        return self.path / "summary.json"

    @property
    def is_done(self) -> bool:
        """Whether the run has finished."""
        return self.summary_file.is_file()

    def refuse_others(self) -> None:
        """Refuse a folder that holds something else than a run, and leave it as it is.

        Raises:
            ValueError: If it does, or cannot be written to.
        """
        _outputs.refuse_folder_of_others(self.path, "pretrain", is_own=self.config_file.is_file())

    @contextmanager
    def alone(self, *, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Hold the run against other processes; where one works on it, call `on_wait` and wait for it."""
        with _files.alone(self.path / ".run.lock", on_wait=on_wait):
            yield

    def prepare(self, config: RunConfig, data: DataFacts) -> None:
        """Write what is asked for, where and of which samples; a directory of the same run is taken up again.

        The environment is that of the process that takes steps: a finished run keeps its own.

        Raises:
            ValueError: If the directory holds another run, a run of other samples, or other files.
        """
        self.refuse_others()
        if self.config_file.is_file():
            self._refuse_another(config, data)
        if self.is_done:
            return
        # Where samples lie and what computes may be others now: they make no other run.
        _files.write_text(self.config_file, config.model_dump_json(indent=2) + "\n")
        _files.write_text(self.data_file, data.model_dump_json(indent=2) + "\n")
        _files.write_text(self.path / "environment.json", json.dumps(environment(), indent=2) + "\n")

    def _refuse_another(self, config: RunConfig, data: DataFacts) -> None:
        way_out, there = "choose another --out, or remove the folder", self.config()
        now = config.code or {}
        if edited := [name for name, digest in (there.code or {}).items() if now.get(name, digest) != digest]:
            raise ValueError(
                f"{self.path} holds a run of another source of {', '.join(edited)}, which was edited since; restore "
                f"the file as it was to go on with the run, {way_out}"
            )
        if differences := _differences(there, config):
            raise ValueError(
                f"{self.path} holds a run with another configuration ({'; '.join(differences)}); {way_out}"
            )
        if self.data_file.is_file():
            others = read_section(DataFacts, self.data_file).differences(data)
            if others:
                raise ValueError(
                    f"{self.path} holds a run of other samples ({'; '.join(others)}); restore them, {way_out}"
                )

    def config(self) -> RunConfig:
        """Return the resolved configuration.

        Raises:
            FileNotFoundError: If this is no run directory.
            UnusableFileError: If the file is damaged.
        """
        if not self.config_file.is_file():
            raise FileNotFoundError(f"{self.path} is no run directory: it holds no {self.config_file.name}")
        return read_section(RunConfig, self.config_file)

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log.

        Raises:
            UnusableFileError: If the file is damaged.
        """
        with _files.reading(self.log_file):
            return [log_line(text) for text in self.log_file.read_text(encoding="utf-8").splitlines()]

    def summary(self) -> dict[str, Any]:
        """Return what came out.

        Raises:
            FileNotFoundError: If the run is not done.
            UnusableFileError: If the file is damaged.
        """
        if not self.is_done:
            raise FileNotFoundError(f"{self.path} holds no finished run; `anchorwise pretrain` with it goes on")
        with _files.reading(self.summary_file):
            return _json_object(self.summary_file.read_text(encoding="utf-8"))

    def encoder(self) -> FrozenEncoder:
        """Return the trained encoder.

        Raises:
            FileNotFoundError: If the run is not done.
        """
        return rebuild(self.path)


def log_line(text: str) -> dict[str, Any]:
    """Return one line of a log.

    Raises:
        ValueError: If it is none.
    """
    line = _json_object(text)
    if not isinstance(line.get("kind"), str) or not isinstance(line.get("step"), int):
        raise ValueError(f"a line must have a kind and a step, got {text[:40]!r}")
    return line


def _json_object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"it must hold an object, got {text[:40]!r}")
    return found


def _differences(there: RunConfig, wanted: RunConfig) -> list[str]:
    """Name the settings that differ, at most three of them."""
    old, new = _flat(identity(there)), _flat(identity(wanted))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [f"{name} is {old.get(name)!r}, not {new.get(name)!r}" for name in names[:3]]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat
