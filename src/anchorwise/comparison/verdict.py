"""What a difference from the baseline says, in plain words."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from anchorwise.comparison.statistics import MAX_SEEDS, seeds_needed
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.statistics import Intervals, Numbers, seed_intervals


class Decision(StrEnum):
    """What an interval of differences decides."""

    BETTER = "better"
    WORSE = "worse"
    ALIKE = "alike"
    UNDECIDED = "undecided"
    FAILED = "failed"


@dataclass(frozen=True)
class Rule:
    """How differences are judged.

    Attributes:
        level: Confidence level of all intervals of a family together.
        num_comparisons: Intervals of the family.
        smallest_difference: Differences below it do not matter; in the unit in which the metric is kept.
        metric: What differs.
    """

    level: float
    num_comparisons: int
    smallest_difference: float
    metric: Metric


@dataclass(frozen=True)
class Verdict:
    """One objective against the baseline on one data set.

    Attributes:
        decision: What the interval decides.
        words: For a reader, in the unit of the metric: points, of percentages.
        differences: Objective minus baseline, one per seed that both finished.
        interval: Simultaneous interval of their mean; None without a difference.
    """

    decision: Decision
    words: str
    differences: tuple[float, ...]
    interval: Intervals | None

    @property
    def signs(self) -> str:
        """The sign of every seed's difference."""
        return " ".join("+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "0" for value in self.differences)


def decide(low: Numbers, high: Numbers, smallest_difference: float) -> np.ndarray:
    """Return the decision by every interval as text.

    Args:
        low: Lower ends, shape (...).
        high: Upper ends, shape (...).
        smallest_difference: Differences below it do not matter.
    """
    cases = [low > 0.0, high < 0.0, np.maximum(-low, high) < smallest_difference]
    return np.select(cases, [Decision.BETTER, Decision.WORSE, Decision.ALIKE], Decision.UNDECIDED)


def judge_differences(differences: list[float], rule: Rule, *, failures: list[str]) -> Verdict:
    """Return the verdict on one objective.

    Args:
        differences: Objective minus baseline, one per seed that both finished.
        rule: How to judge.
        failures: What went wrong in the other seeds. With one of them there is no verdict: the seeds that are left are
            not a sample of all seeds.
    """
    if not differences:
        return Verdict(Decision.FAILED, f"no verdict: {'; '.join(failures) or 'nothing has run yet'}", (), None)
    interval = seed_intervals(np.array(differences), level=rule.level, num_comparisons=rule.num_comparisons)
    if failures:
        return Verdict(Decision.FAILED, f"no verdict: {'; '.join(failures)}", tuple(differences), interval)
    decision, words = read_off(interval, rule)
    return Verdict(decision, words or _undecided(interval, rule), tuple(differences), interval)


def read_off(interval: Intervals, rule: Rule) -> tuple[Decision, str]:
    """Return what an interval decides, and that in words; none where it decides nothing."""
    metric = rule.metric
    # Of what is better when less, the ends of the interval change sides.
    low, high = sorted((metric.sign * float(interval.low), metric.sign * float(interval.high)))
    decision = Decision(str(decide(np.float64(low), np.float64(high), rule.smallest_difference)))
    low, high = metric.factor * low, metric.factor * high
    digits, unit = 1 if metric.unit == "%" else metric.digits, f" {metric.difference_unit}".rstrip()
    words = {
        Decision.BETTER: f"better by {low:.{digits}f} to {high:.{digits}f}{unit}",
        Decision.WORSE: f"worse by {-high:.{digits}f} to {-low:.{digits}f}{unit}",
        Decision.ALIKE: f"no difference seen; could rule out more than {max(abs(low), abs(high)):.{digits}f}",
    }
    return decision, words.get(decision, "")


def _undecided(interval: Intervals, rule: Rule) -> str:
    if interval.num_seeds == 1:
        return "undecided: one seed has no interval; judge again in a new study with more"
    needed = seeds_needed(
        float(interval.mean),
        float(interval.deviation),
        level=rule.level,
        num_comparisons=rule.num_comparisons,
        smallest_difference=rule.smallest_difference,
    )
    # Never "so many more": intervals hold for a number of seeds that was settled before.
    if needed is None:
        return f"undecided; a new study would need more than {MAX_SEEDS} fresh seeds"
    return f"undecided; judge again in a new study with {needed} fresh seeds"
