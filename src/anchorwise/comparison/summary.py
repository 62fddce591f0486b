"""What a study came to: every objective at its chosen point, over seeds, and against the baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from anchorwise.comparison.plan import Progress, plan
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.statistics import Intervals, seed_intervals
from anchorwise.comparison.study import Study, point_label
from anchorwise.comparison.verdict import Rule, Verdict, judge_differences

NAMES = {"linear": "linear probe", "knn": "kNN"}  # The accuracies that verdicts can be about.
METRICS = ("linear", "knn", "recall@1", "effective_rank")
COSTS = ("step_s", "step_peak_mib", "train_s")


@dataclass(frozen=True)
class Entry:
    """One objective on one data set.

    Attributes:
        study: The study.
        progress: Its grid, its choice, its runs.
        results: All results by key.
    """

    study: Study
    progress: Progress
    results: Mapping[str, RunResult]

    @property
    def objective(self) -> str:
        """Name in the study."""
        return self.progress.objective

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.study.label(self.objective)

    @property
    def choice(self) -> str:
        """The point that was chosen, in words."""
        grid = self.study.objectives[self.objective].grid
        return "none" if self.progress.chosen is None else point_label(self.progress.chosen, grid)

    @cached_property
    def by_seed(self) -> dict[int, RunResult]:
        """Results of the runs that judge, by encoder seed, where there are numbers."""
        found = {run.seed: self.results.get(run.key) for run in self.progress.finals}
        return {seed: result for seed, result in found.items() if result is not None and result.is_done}

    @cached_property
    def failures(self) -> list[str]:
        """What went wrong or is missing in the runs that judge, one entry per seed."""
        if self.progress.chosen is None:
            return ["its point is not chosen yet" if self.progress.wanted else "no point of its grid finished"]
        lines = []
        for run in self.progress.finals:
            result = self.results.get(run.key)
            if result is None or not result.is_done:
                lines.append(f"seed {run.seed} {'has not run' if result is None else result.status}")
        return lines

    @property
    def grid_failures(self) -> list[str]:
        """Runs of the grid that diverged or failed, in words."""
        trials = [run for rung in self.progress.rungs for trial in rung.trials for run in trial.runs]
        found = [(run, self.results.get(run.key)) for run in trials]
        return [
            f"{point_label(run.point)}, seed {run.seed}: {result.status}, {result.message}"
            for run, result in found
            if result is not None and not result.is_done
        ]

    def values(self, metric: str) -> dict[int, float]:
        """Return a number of the test by seed, or of the cost for a name in `COSTS`, where runs have it."""
        if metric in COSTS:
            return {seed: result.cost[metric] for seed, result in self.by_seed.items() if metric in result.cost}
        return {seed: result.score(metric, "test") for seed, result in self.by_seed.items() if metric in result.test}

    def validation(self, metric: str) -> list[float]:
        """Return an accuracy on validation images at the chosen point, of every seed that judges."""
        return [result.score(metric, "validation") for result in self.by_seed.values()]

    def interval(self, metric: str) -> Intervals | None:
        """Return mean and plain interval over seeds; None without a seed."""
        values = self.values(metric)
        if not values:
            return None
        return seed_intervals(np.array(list(values.values())), level=self.study.interval_level)


@dataclass(frozen=True)
class Summary:
    """A study and all that came out.

    Attributes:
        study: The study.
        results: By key.
    """

    study: Study
    results: Mapping[str, RunResult]

    @cached_property
    def entries(self) -> dict[str, list[Entry]]:
        """Entries by data set, in the order of the study."""
        entries: dict[str, list[Entry]] = {data_set: [] for data_set in self.study.data_sets}
        for progress in plan(self.study, self.results):
            entries[progress.data_set].append(Entry(self.study, progress, self.results))
        return entries

    def entry(self, data_set: str, objective: str) -> Entry:
        """Return one entry."""
        return next(entry for entry in self.entries[data_set] if entry.objective == objective)

    @property
    def rule(self) -> Rule:
        """How objectives are judged against the baseline: all of them together on one data set."""
        study = self.study
        return Rule(study.interval_level, len(study.objectives) - 1, study.smallest_difference)

    def verdict(self, data_set: str, objective: str) -> Verdict:
        """Return the verdict on an objective against the baseline, by the primary accuracy on test images."""
        entry, base = self.entry(data_set, objective), self.entry(data_set, self.study.baseline)
        failures = [*entry.failures, *(f"{base.label}: {failure}" for failure in base.failures)]
        return judge_differences(_paired(entry, base, self.study.primary), self.rule, failures=failures)

    def difference(self, data_set: str, objective: str, reference: str, metric: str) -> Intervals | None:
        """Return the paired difference of two objectives with its plain interval; None without a common seed."""
        paired = _paired(self.entry(data_set, objective), self.entry(data_set, reference), metric)
        return seed_intervals(np.array(paired), level=self.study.interval_level) if paired else None

    def machines(self, part: Literal["processor", "accelerator", "anchorwise", "torch"]) -> list[str]:
        """Return on what the runs ran."""
        used = {run.key for entries in self.entries.values() for entry in entries for run in entry.progress.runs}
        return sorted({self.results[key].machine[part] for key in used if key in self.results})


def _paired(entry: Entry, base: Entry, metric: str) -> list[float]:
    """Return differences seed by seed, where both have numbers, in the order of the seeds."""
    values, others = entry.values(metric), base.values(metric)
    return [value - others[seed] for seed, value in values.items() if seed in others]
