"""The trainings of the demo: run directories like any other, taken up again if they are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from anchorwise.modalities.base import Samples, Splits
from anchorwise.training import ObjectiveConfig, RunConfig, RunDirectory, pretrain, recipe
from anchorwise.training.run_embeddings import trained_state
from anchorwise.training.state import RunState, initial_state

RECIPE = "digits"
OBJECTIVES = {"InfoNCE": "info_nce", "WEINCE": "weince"}


@dataclass(frozen=True)
class DemoRun:
    """A finished training.

    Attributes:
        name: Of the objective, as the report calls it.
        seed: Of the training.
        directory: The run.
    """

    name: str
    seed: int
    directory: RunDirectory

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return self.directory.path

    def state(self, splits: Splits[Samples]) -> RunState:
        """Return the trained model with all that belongs to it, on the CPU."""
        return trained_state(self.directory, splits)

    def command(self) -> str:
        """Return what to type for the same training."""
        config = self.directory.config()
        objective = config.whole_objective()
        settings = (
            f"objective.name={objective.name}",
            *(f"objective.{name}={value}" for name, value in objective.hyperparameters.items()),
            f"train.seed={self.seed}",
            f"train.num_epochs={config.train.num_epochs}",
        )
        return " ".join(["anchorwise pretrain", RECIPE, *(f"--set {one}" for one in settings), f"--out {self.path}"])

    def judging_command(self) -> str:
        """Return what to type to judge it."""
        return f"anchorwise evaluate {self.path}"


def demo_config(name: str, *, seed: int, num_epochs: int | None) -> RunConfig:
    """Return the recipe with one objective and one seed; both objectives have the recipe's temperature."""
    config = recipe(RECIPE)
    objective = ObjectiveConfig(name=OBJECTIVES[name], **config.whole_objective().hyperparameters)
    train = {"seed": seed, "num_epochs": num_epochs or config.train.num_epochs}
    return config.model_copy(update={"objective": objective, "train": config.train.model_copy(update=train)})


def pretrain_all(out: Path, *, seeds: Sequence[int], num_epochs: int | None) -> list[DemoRun]:
    """Pretrain every objective once per seed below `out`; finished runs are reused and stopped ones go on.

    Raises:
        ValueError: If `out` holds runs of other settings.
    """
    runs = []
    for seed in seeds:
        for name in OBJECTIVES:
            config = demo_config(name, seed=seed, num_epochs=num_epochs)
            directory = RunDirectory(out / f"{OBJECTIVES[name]}-seed{seed}")
            news = "already trained, reused" if directory.is_done else "pretraining"
            print(f"{name}, seed {seed}: {news}", flush=True)
            runs.append(DemoRun(name, seed, pretrain(config, directory.path)))
    return runs


def untrained_state(config: RunConfig, splits: Splits[Samples]) -> RunState:
    """Return the model as it was before the first step."""
    return initial_state(config, splits.pretrain, torch.device("cpu"))
