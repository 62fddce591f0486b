"""What a classifier that learns task after task knows at the end of each, and what it forgets.

Source: average accuracy as Rebuffi et al. 2017 (iCaRL), Section 4, https://arxiv.org/abs/1611.07725; forgetting as
Chaudhry et al. 2018, Eq. 3, https://arxiv.org/abs/1801.10112.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class OverTasks:
    """Accuracies over a sequence of tasks, in [0, 1].

    Attributes:
        average_accuracy: Mean over the ends of all tasks of the accuracy on the classes seen so far.
        last_accuracy: That at the end of the last task, on all classes.
        forgetting: Mean over all tasks but the last of what their accuracy has lost since it was highest; below 0 where
            it rose. 0 for a single task.
    """

    average_accuracy: float
    last_accuracy: float
    forgetting: float


def over_tasks(seen: Sequence[float], by_task: Sequence[Sequence[float]]) -> OverTasks:
    """Summarise what was measured at the end of every task.

    Args:
        seen: At the end of each task, the accuracy on the classes of all tasks so far.
        by_task: Likewise, the accuracy on each task so far: one number after the first task, two after the second.

    Raises:
        ValueError: If there is no task, or the numbers are not one more each time.
    """
    if not seen or [len(row) for row in by_task] != list(range(1, len(seen) + 1)):
        raise ValueError(
            f"by_task must have 1, 2, ... {len(seen)} numbers at the ends of {len(seen)} tasks, at least one, got "
            f"{[len(row) for row in by_task]}"
        )
    last = len(seen) - 1
    lost = [max(row[task] for row in by_task[task:last]) - by_task[last][task] for task in range(last)]
    return OverTasks(fmean(seen), seen[last], fmean(lost) if lost else 0.0)
