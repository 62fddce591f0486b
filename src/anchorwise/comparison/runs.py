"""One training of a study, and the key under which its result is found again on any machine."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anchorwise._config import identity, key_of
from anchorwise.comparison.study import Point, Study, point_label
from anchorwise.evaluation.base import JudgeConfig
from anchorwise.reporting.wording import counted
from anchorwise.training import RunConfig
from anchorwise.training.state import with_start

HELD_OUT = 0.1  # Of the training samples, where runs that choose leave some out.


@dataclass(frozen=True)
class StudyRun:
    """One training and its judgement.

    Attributes:
        data_set: Name in the study.
        objective: Name in the study.
        point: Of the objective's grid.
        seed: Encoder seed.
        is_final: Judged on test samples as well; other runs choose a point and see validation samples only.
        config: Of the training.
        judges: Who judges its features.
        keeps_checkpoint: Whether the state at the end of the training is looked at later.
        held_out: Share of the training samples that it leaves out and is judged on; 0 for none.
    """

    data_set: str
    objective: str
    point: Point
    seed: int
    is_final: bool
    config: RunConfig
    judges: tuple[JudgeConfig, ...]
    keeps_checkpoint: bool = False
    held_out: float = 0.0

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that the numbers depend on."""
        training = identity(self.config)
        training["data"]["name"] = self.data_set
        if self.held_out:
            training["held_out"] = self.held_out
        return {
            "training": training,
            "judges": [identity(judge) for judge in self.judges],
            "judged_on_test": self.is_final,
        }

    @cached_property
    def key(self) -> str:
        """Name of the result."""
        return key_of(self.identity)

    @cached_property
    def training_key(self) -> str:
        """Name of the run directory; judging once more, otherwise, does not train again."""
        return key_of(self.identity["training"])

    @property
    def words(self) -> str:
        """Return what a line of progress calls the run."""
        purpose = "" if self.is_final else ", to choose"
        epochs = counted(self.config.train.epochs, "epoch")
        return f"{self.data_set}, {self.objective}, {point_label(self.point)}, seed {self.seed}, {epochs}{purpose}"


def study_run(
    study: Study,
    data_set: str,
    objective: str,
    point: Point,
    *,
    seed: int,
    is_final: bool,
    num_epochs: int | None = None,
) -> StudyRun:
    """Return one run of a study; `num_epochs` is that of a rung of successive halving."""
    config = study.run_config(data_set, objective, point, seed=seed, num_epochs=num_epochs)
    try:
        config = with_start(config)
    except ValueError as error:
        raise ValueError(f"objectives.{objective}: {error}") from error
    is_shown = study.is_illustrated and is_final and seed == study.seeds[0]
    left_out = HELD_OUT if study.chooses_on_held_out and not is_final else 0.0
    return StudyRun(data_set, objective, point, seed, is_final, config, study.judges, is_shown, left_out)
