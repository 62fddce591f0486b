"""What a difference from the baseline says, in plain words."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from anchorwise.comparison.statistics import MAX_SEEDS, Intervals, Numbers, seed_intervals, seeds_needed


class Outcome(StrEnum):
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
        level: Confidence level of all intervals of a data set together.
        num_comparisons: Objectives compared with the baseline.
        smallest_difference: Differences below it do not matter; accuracy in [0, 1].
    """

    level: float
    num_comparisons: int
    smallest_difference: float


@dataclass(frozen=True)
class Verdict:
    """One objective against the baseline on one data set.

    Attributes:
        outcome: The decision.
        words: For a reader; accuracies in points (percent).
        differences: Objective minus baseline, one per seed that both finished, accuracy in [0, 1].
        interval: Simultaneous interval of their mean; None without a difference.
    """

    outcome: Outcome
    words: str
    differences: tuple[float, ...]
    interval: Intervals | None

    @property
    def signs(self) -> str:
        """The sign of every seed's difference."""
        return " ".join("+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "0" for value in self.differences)


def decide(low: Numbers, high: Numbers, smallest_difference: float) -> np.ndarray:
    """Return the outcome of every interval as text.

    Args:
        low: Lower ends, shape (...).
        high: Upper ends, shape (...).
        smallest_difference: Differences below it do not matter.
    """
    cases = [low > 0.0, high < 0.0, np.maximum(-low, high) < smallest_difference]
    return np.select(cases, [Outcome.BETTER, Outcome.WORSE, Outcome.ALIKE], Outcome.UNDECIDED)


def judge_differences(differences: list[float], rule: Rule, *, failures: list[str]) -> Verdict:
    """Return the verdict on one objective.

    Args:
        differences: Objective minus baseline, one per seed that both finished.
        rule: How to judge.
        failures: What went wrong in the other seeds. With one of them there is no verdict: the seeds that are left are
            not a sample of all seeds.
    """
    if not differences:
        return Verdict(Outcome.FAILED, _no_verdict(failures or ["nothing has run yet"]), (), None)
    interval = seed_intervals(np.array(differences), level=rule.level, num_comparisons=rule.num_comparisons)
    if failures:
        return Verdict(Outcome.FAILED, _no_verdict(failures), tuple(differences), interval)
    outcome = Outcome(str(decide(interval.low, interval.high, rule.smallest_difference)))
    return Verdict(outcome, _words(outcome, interval, rule), tuple(differences), interval)


def _no_verdict(failures: list[str]) -> str:
    return f"no verdict: {'; '.join(failures)}"


def _words(outcome: Outcome, interval: Intervals, rule: Rule) -> str:
    low, high = 100 * float(interval.low), 100 * float(interval.high)
    if outcome is Outcome.BETTER:
        return f"better by {low:.1f} to {high:.1f} points"
    if outcome is Outcome.WORSE:
        return f"worse by {-high:.1f} to {-low:.1f} points"
    if outcome is Outcome.ALIKE:
        return f"no difference seen; could rule out more than {max(abs(low), abs(high)):.1f}"
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
