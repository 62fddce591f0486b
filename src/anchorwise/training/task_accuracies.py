"""What a method knows of every task so far, measured on test samples at the end of each; nothing is chosen by it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.evaluation.embed import evaluation_mode
from anchorwise.evaluation.forgetting import over_tasks
from anchorwise.methods.base import Classifier
from anchorwise.modalities.samples import Samples, moved
from anchorwise.training.state import RunState

# c = classes of a task, m = test samples of classes seen so far

_BLOCK = 512  # Samples classified at a time.
_SEEN = "seen_accuracy"


def learnt(
    state: RunState, test: Samples | None, tasks: Sequence[Int64[Tensor, " c"]], device: torch.device
) -> dict[str, float]:
    """Return the accuracies on the test samples of all tasks so far; none where nothing classifies, or is to be told.

    Args:
        state: Of the run, at the end of a task.
        test: Test samples of all tasks; those of later ones are not looked at.
        tasks: The classes of each.
        device: Where to compute.
    """
    if not isinstance(state.model, Classifier) or test is None or test.labels is None:
        return {}
    ids = torch.nonzero(torch.isin(test.labels, torch.cat(list(tasks)))).flatten()
    with evaluation_mode(state.model):
        views = (state.views.plain(moved(test.take(block), device)) for block in ids.split(_BLOCK))
        found = torch.cat([state.model.classify(view).cpu() for view in views])
    labels = test.labels[ids]
    is_right = (found == labels).double()
    by_task = {name_of(number): float(is_right[torch.isin(labels, task)].mean()) for number, task in enumerate(tasks)}
    return {_SEEN: float(is_right.mean()), **by_task}


def name_of(task: int) -> str:
    """Return what the accuracy on a task is called, in the log."""
    return f"task_{task}_accuracy"


def summary_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what the lines of the log that tell of tasks come to; nothing where there are none."""
    ends = [line for line in lines if _SEEN in line]
    if not ends:
        return {}
    by_task = [[line[name_of(task)] for task in range(number)] for number, line in enumerate(ends, start=1)]
    return asdict(over_tasks([line[_SEEN] for line in ends], by_task))
