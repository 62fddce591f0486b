"""What a run came to: numbers in a small JSON file of its own, named by the run's key, without weights.

Such files can be kept in a repository: a study goes on from them on any machine, and two machines never write the same
file with different contents in mind.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import Field

from anchorwise import _files
from anchorwise._config import Section, key_of, read_section
from anchorwise.comparison.costs import COSTS
from anchorwise.comparison.runs import StudyRun
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.registry import warnings_of
from anchorwise.training.measured import step_warnings


class RunResult(Section):
    """The result of one run.

    Attributes:
        key: Of the run.
        identity: What the key is the hash of: the whole configuration.
        status: "done"; "diverged": a loss or weight was not finite; "failed": something else, tried again next time.
        message: What went wrong.
        data: Fingerprint of the samples and labels.
        validation: Metric to its values on validation parts of the training samples, one per split.
        test: Metric to its values on test samples, one per split where a setting was chosen on splits; empty for runs
            that only choose.
        cost: Seconds of the training (`train_s`), of the judgement (`judge_s`), of a step (`step_s`, the median), and
            the memory that steps need above what was there before, in MiB (`step_peak_mib`), where steps were taken.
        history: Logged steps, at most 24 of a kind: step, seconds since the start (`wall_s`), loss, hardest score, ...
        machine: Where and when.
    """

    key: str
    identity: dict[str, Any]
    status: Literal["done", "diverged", "failed"] = "done"
    message: str = ""
    data: str = ""
    validation: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    test: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    cost: dict[str, float] = Field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()
    machine: dict[str, str] = Field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether there are numbers."""
        return self.status == "done"

    def score(self, metric: str, part: Literal["validation", "test"]) -> float:
        """Return one number, averaged over split seeds."""
        return fmean((self.validation if part == "validation" else self.test)[metric])

    def value(self, metric: Metric) -> float | None:
        """Return a number of the test samples, or a cost; None where the run has none."""
        if metric in COSTS:
            return self.cost.get(metric.name)
        return self.score(metric.name, "test") if metric.name in self.test else None

    def warnings(self) -> list[str]:
        """Return in words what is wrong by what was logged last and by the test samples."""
        logged = {name: value for record in self.history for name, value in record.items()}
        numbers = logged | {name: fmean(values) for name, values in self.test.items()}
        return [*step_warnings(numbers), *warnings_of(numbers)]


@dataclass(frozen=True)
class ResultStore:
    """A folder of results."""

    path: Path

    def find(self, run: StudyRun) -> RunResult | None:
        """Return the result of a run, if it is there.

        Raises:
            ValueError: If its file is damaged.
        """
        file = self.path / f"{run.key}.json"
        return _load(file) if file.is_file() else None

    def all_of(self, runs: Iterable[StudyRun]) -> dict[str, RunResult]:
        """Return the results of those runs that have one, by key."""
        found = (self.find(run) for run in runs)
        return {result.key: result for result in found if result is not None}

    def save(self, result: RunResult) -> None:
        """Write a result, whole or not at all."""
        _files.write_text(self.path / f"{result.key}.json", result.model_dump_json(exclude_defaults=True) + "\n")


def _load(file: Path) -> RunResult:
    try:
        result = read_section(RunResult, file)
    except _files.UnusableFileError as error:
        raise _files.UnusableFileError(f"{error}; remove it, and the run is done again") from error
    if result.key != file.stem or key_of(result.identity) != result.key:
        raise ValueError(f"{file} has been changed: its configuration and its name do not belong together; remove it")
    return result
