"""What a study came to: every objective at its chosen point, over seeds, and against the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from anchorwise import _checks
from anchorwise.comparison.costs import COSTS
from anchorwise.comparison.random_effects import RandomEffects, random_effects
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.schedule import Progress, Schedule
from anchorwise.comparison.study import Study, point_label
from anchorwise.comparison.verdict import Decision, Rule, Verdict, judge_differences, read_off
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.registry import headlines_of, metrics_of
from anchorwise.evaluation.statistics import Intervals, seed_intervals
from anchorwise.reporting.notebook import notebook_table
from anchorwise.reporting.wording import listed


def primary_of(study: Study) -> Metric:
    """Return the metric that points are chosen by and verdicts are about."""
    return metrics_of(study.judges)[study.primary]


@dataclass(frozen=True)
class Standing:
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

    def values(self, metric: Metric) -> dict[int, float]:
        """Return a number of the test samples, or a cost, by seed, where runs have it."""
        found = {seed: result.value(metric) for seed, result in self.by_seed.items()}
        return {seed: value for seed, value in found.items() if value is not None}

    @property
    def judged_on(self) -> Literal["validation", "test"]:
        """Which part stands beside the choice: the same one, or test samples where runs that judge leave none out."""
        return "test" if self.study.chooses_on_held_out else "validation"

    def scores(self, metric: Metric) -> list[float]:
        """Return a metric on the part `judged_on` at the chosen point, of every seed that judges."""
        return [result.score(metric.name, self.judged_on) for result in self.by_seed.values()]

    def interval(self, metric: Metric) -> Intervals | None:
        """Return mean and plain interval over seeds; None without a seed."""
        values = self.values(metric)
        if not values:
            return None
        return seed_intervals(np.array(list(values.values())), level=self.study.interval_level)

    @property
    def warnings(self) -> list[str]:
        """What is wrong with features of the runs that judge, in words, once for all seeds that say the same."""
        said: dict[str, list[int]] = {}
        for seed, result in self.by_seed.items():
            for words in result.warnings():
                said.setdefault(words.partition(":")[0], []).append(seed)
        return [f"{words} on {listed('seed', seeds)}" for words, seeds in said.items()]


@dataclass(frozen=True)
class Across:
    """One objective against the baseline over all data sets.

    Attributes:
        decision: What the interval of the mean decides.
        words: For a reader.
        effects: The mean over data sets; intervals of all objectives hold together.
        num_ahead: Seeds, of all data sets, on which it is ahead.
        num_seeds: All of them.
    """

    decision: Decision
    words: str
    effects: RandomEffects
    num_ahead: int
    num_seeds: int


@dataclass(frozen=True)
class Summary:
    """A study and all that came out.

    Attributes:
        study: The study.
        results: By key.
        progress: How far it is by them (`anchorwise.comparison.schedule`); found anew if left out.
    """

    study: Study
    results: Mapping[str, RunResult]
    progress: Sequence[Progress] | None = None

    @cached_property
    def primary(self) -> Metric:
        """What points are chosen by and verdicts are about."""
        return primary_of(self.study)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """What tables have room for."""
        return tuple(metric for _, _, metric in headlines_of(self.study.judges))

    def metric(self, name: str) -> Metric:
        """Return the metric of that name, of those that the judges measure or of the costs.

        Raises:
            ValueError: If there is none.
        """
        known = metrics_of(self.study.judges) | {cost.name: cost for cost in COSTS}
        return known[_checks.one_of("metric", name, known)]

    @cached_property
    def by_split(self) -> tuple[Metric, ...]:
        """What points could be chosen by, the primary metric first."""
        every = metrics_of(self.study.judges).values()
        return (self.primary, *(metric for metric in every if metric.by_split and metric != self.primary))

    @cached_property
    def standings(self) -> dict[str, list[Standing]]:
        """Standings by data set, in the order of the study."""
        progress = Schedule(self.study).progress(self.results) if self.progress is None else self.progress
        standings: dict[str, list[Standing]] = {data_set: [] for data_set in self.study.data_sets}
        for one in progress:
            standings[one.data_set].append(Standing(self.study, one, self.results))
        return standings

    def standing(self, data_set: str, objective: str) -> Standing:
        """Return one standing."""
        return next(one for one in self.standings[data_set] if one.objective == objective)

    def verdict(self, data_set: str, objective: str) -> Verdict:
        """Return the verdict on an objective against the baseline, by the primary metric on test samples."""
        return self._verdicts[data_set, objective]

    def _repr_html_(self) -> str:
        from anchorwise.comparison.tables import (
            caption,
            verdict_columns,
            verdict_rows,
        )  # They show what is defined here.

        return notebook_table([caption(self)], verdict_rows(self), verdict_columns(self))

    @cached_property
    def _verdicts(self) -> dict[tuple[str, str], Verdict]:
        """All objectives of a data set, or of the study, are judged together."""
        study, found = self.study, dict[tuple[str, str], Verdict]()
        rule = Rule(study.interval_level, study.num_comparisons, study.smallest_difference, self.primary)
        for data_set, standings in self.standings.items():
            base = self.standing(data_set, study.baseline)
            for one in standings:
                failures = [*one.failures, *(f"{base.label}: {failure}" for failure in base.failures)]
                differences = _paired(one, base, self.primary)
                found[data_set, one.objective] = judge_differences(differences, rule, failures=failures)
        return found

    def across(self, objective: str) -> Across | None:
        """Return an objective against the baseline over all data sets; None with one, or without a verdict on each."""
        study = self.study
        verdicts = [self.verdict(data_set, objective) for data_set in study.data_sets]
        intervals = [
            one.interval for one in verdicts if one.decision is not Decision.FAILED and one.interval is not None
        ]
        if len(verdicts) < 2 or len(intervals) < len(verdicts) or min(one.num_seeds for one in intervals) < 2:
            return None
        errors = [float(one.deviation) / one.num_seeds**0.5 for one in intervals]
        together = {"level": study.interval_level, "num_comparisons": len(study.objectives) - 1}
        effects = random_effects([float(one.mean) for one in intervals], errors, **together)
        rule = Rule(study.interval_level, len(study.objectives) - 1, study.smallest_difference, self.primary)
        decision, words = read_off(effects.interval, rule)
        seeds = [self.primary.sign * difference for one in verdicts for difference in one.differences]
        return Across(decision, words or "undecided", effects, sum(seed > 0 for seed in seeds), len(seeds))

    def difference(self, data_set: str, objective: str, reference: str, metric: str) -> Intervals | None:
        """Return the paired difference of two objectives with its plain interval; None without a common seed."""
        paired = _paired(self.standing(data_set, objective), self.standing(data_set, reference), self.metric(metric))
        return seed_intervals(np.array(paired), level=self.study.interval_level) if paired else None

    def machines(self, part: Literal["processor", "accelerator", "anchorwise", "torch"]) -> list[str]:
        """Return on what the runs ran."""
        used = {run.key for standings in self.standings.values() for one in standings for run in one.progress.runs}
        return sorted({self.results[key].machine[part] for key in used if key in self.results})


def _paired(standing: Standing, base: Standing, metric: Metric) -> list[float]:
    """Return differences seed by seed, where both have numbers, in the order of the seeds."""
    values, others = standing.values(metric), base.values(metric)
    return [value - others[seed] for seed, value in values.items() if seed in others]
