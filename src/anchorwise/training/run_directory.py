"""The folder of a run: what it was asked to do, where, what happened, and what came out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorwise import _files
from anchorwise.models import StoredEncoder, load_encoder
from anchorwise.reporting.environment import environment
from anchorwise.training.config import RunConfig


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run's files.

    `config.json` and `environment.json` are there before the first step, `log.jsonl`, `tensorboard/` and
    `checkpoint.safetensors` while it goes on, `encoder.json`, `encoder.safetensors` and `summary.json` when it is done.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.json"

    @property
    def log_file(self) -> Path:
        """One JSON object per logged step or kNN evaluation."""
        return self.path / "log.jsonl"

    @property
    def checkpoint_file(self) -> Path:
        """The state from which a stopped run goes on."""
        return self.path / "checkpoint.safetensors"

    @property
    def summary_file(self) -> Path:
        """What came out; its presence says that the run is done."""
        return self.path / "summary.json"

    @property
    def is_done(self) -> bool:
        """Whether the run has finished."""
        return self.summary_file.is_file()

    def prepare(self, config: RunConfig) -> None:
        """Write configuration and environment; a directory with the same configuration is taken up again.

        The environment is that of the process that takes steps: a finished run keeps its own.

        Raises:
            ValueError: If the directory holds another run, or other files.
        """
        if self.config_file.is_file():
            differences = _differences(self.config(), config)
            if differences:
                raise ValueError(
                    f"{self.path} holds a run with another configuration ({'; '.join(differences)}); "
                    "choose another --out, or remove the folder"
                )
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise ValueError(f"{self.path} is not empty and holds no run; choose another --out")
        else:
            self.write_config(config)
        if not self.is_done:
            _files.write_text(self.path / "environment.json", json.dumps(environment(), indent=2) + "\n")

    def write_config(self, config: RunConfig) -> None:
        """Write the resolved configuration."""
        _files.write_text(self.config_file, config.model_dump_json(indent=2) + "\n")

    def config(self) -> RunConfig:
        """Return the resolved configuration.

        Raises:
            FileNotFoundError: If this is no run directory.
        """
        if not self.config_file.is_file():
            raise FileNotFoundError(f"{self.path} is no run directory: it holds no {self.config_file.name}")
        return RunConfig.model_validate_json(self.config_file.read_text(encoding="utf-8"))

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def summary(self) -> dict[str, Any]:
        """Return what came out.

        Raises:
            FileNotFoundError: If the run is not done.
        """
        if not self.is_done:
            raise FileNotFoundError(f"{self.path} holds no finished run; `anchorwise pretrain` with it goes on")
        return json.loads(self.summary_file.read_text(encoding="utf-8"))

    def encoder(self) -> StoredEncoder:
        """Return the trained encoder.

        Raises:
            FileNotFoundError: If the run is not done.
        """
        return load_encoder(self.path)


def _differences(there: RunConfig, wanted: RunConfig) -> list[str]:
    """Name the settings that differ, at most three of them."""
    old, new = _flat(there.model_dump(mode="json")), _flat(wanted.model_dump(mode="json"))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return [f"{name} is {old.get(name)!r}, not {new.get(name)!r}" for name in names[:3]]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat
