"""What is to be run next, from the study and the results so far, and nothing else.

There is no other state: a study that was stopped, that got another seed or another objective, or that lies on another
machine, asks again and runs what is missing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun, study_run
from anchorwise.comparison.study import Point, Study
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.registry import metrics_of

Results = Mapping[str, RunResult]


@dataclass(frozen=True)
class Trial:
    """One point of a grid on one rung.

    Attributes:
        point: Of the grid.
        runs: One per selection seed.
        score: Mean of the primary metric on validation parts; None if a run is missing, diverged or failed.
    """

    point: Point
    runs: tuple[StudyRun, ...]
    score: float | None


@dataclass(frozen=True)
class Rung:
    """Trials of the same number of epochs."""

    num_epochs: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Progress:
    """How far one objective is on one data set.

    Attributes:
        data_set: Name in the study.
        objective: Name in the study.
        rungs: What its point was chosen from; empty for a single point.
        chosen: The point; None until it is known, or if every point failed.
        finals: The runs that judge it; empty until it is known.
        wanted: Runs that can start now.
    """

    data_set: str
    objective: str
    rungs: tuple[Rung, ...]
    chosen: Point | None
    finals: tuple[StudyRun, ...]
    wanted: tuple[StudyRun, ...]

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """All runs known so far."""
        return (*(run for rung in self.rungs for trial in rung.trials for run in trial.runs), *self.finals)


class Schedule:
    """Says again and again, as results come in, how far a study is and what comes next.

    Args:
        study: What is to be run. Its runs are made once: their configurations and keys cost more than all the rest.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._primary = metrics_of(study.judges)[study.primary]
        self._runs: dict[tuple[object, ...], StudyRun] = {}

    def progress(self, results: Results) -> list[Progress]:
        """Return how far every objective is on every data set, in the order of the study."""
        study = self.study
        return [self._of(results, (data_set, name)) for data_set in study.data_sets for name in study.objectives]

    def _of(self, results: Results, names: tuple[str, str]) -> Progress:
        points = self.study.objectives[names[1]].grid
        rungs: list[Rung] = []
        for num_epochs in _rung_epochs(self.study):
            if len(points) <= 1:
                break  # Nothing is left to choose.
            rung = self._rung(results, names, points, num_epochs)
            rungs.append(rung)
            missing = tuple(run for trial in rung.trials for run in trial.runs if run.key not in results)
            if missing:
                return Progress(*names, tuple(rungs), None, (), missing)
            points = _best(rung, kept(len(points), self.study), self._primary)
        if not points:
            return Progress(*names, tuple(rungs), None, (), ())
        finals = tuple(self._run(names, points[0], seed) for seed in self.study.seeds)
        missing = tuple(run for run in finals if run.key not in results)
        return Progress(*names, tuple(rungs), points[0], finals, missing)

    def _rung(self, results: Results, names: tuple[str, str], points: tuple[Point, ...], num_epochs: int) -> Rung:
        trials = []
        for point in points:
            runs = tuple(self._run(names, point, seed, num_epochs) for seed in self.study.selection_seeds)
            found = [results[run.key] for run in runs if run.key in results]
            is_usable = len(found) == len(runs) and all(result.is_done for result in found)
            primary = self._primary.name
            score = fmean(result.score(primary, "validation") for result in found) if is_usable else None
            trials.append(Trial(point, runs, score))
        return Rung(num_epochs, tuple(trials))

    def _run(self, names: tuple[str, str], point: Point, seed: int, num_epochs: int | None = None) -> StudyRun:
        """Return a run of a rung with its epochs, or, without them, one that judges."""
        key = (*names, *point.items(), seed, num_epochs)
        if key not in self._runs:
            is_final = num_epochs is None
            run = study_run(self.study, *names, point, seed=seed, is_final=is_final, num_epochs=num_epochs)
            self._runs[key] = run
        return self._runs[key]


def epochs_of_runs(study: Study) -> list[int]:
    """Return the epochs of every run on one data set, those of the choice and those of the judgement."""
    epochs = []
    for contender in study.objectives.values():
        num_points = len(contender.grid)
        for num_epochs in _rung_epochs(study):
            if num_points <= 1:
                break
            epochs += [num_epochs] * (num_points * len(study.selection_seeds))
            num_points = kept(num_points, study)
        epochs += [study.num_epochs] * len(study.seeds)
    return epochs


def kept(num_points: int, study: Study) -> int:
    """Return how many points go on to the next rung."""
    return num_points if study.halving is None else math.ceil(num_points / study.halving.factor)


def _rung_epochs(study: Study) -> tuple[int, ...]:
    return (study.num_epochs,) if study.halving is None else study.halving.epochs(study.num_epochs)


def _best(rung: Rung, num_kept: int, primary: Metric) -> tuple[Point, ...]:
    """Return the best points, best first; the one that stands first in the grid wins a tie."""
    usable = [trial for trial in rung.trials if trial.score is not None]
    ranked = sorted(usable, key=lambda trial: -primary.sign * (trial.score or 0.0))
    return tuple(trial.point for trial in ranked[:num_kept])
