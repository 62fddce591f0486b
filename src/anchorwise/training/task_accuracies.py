"""What a method that classifies by itself knows: of every task so far, at its end, or of all at the end of a training.

Nothing is chosen by what it says of test samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.evaluation.embed import evaluation_mode
from anchorwise.evaluation.forgetting import over_tasks
from anchorwise.methods.base import Classifier, Method
from anchorwise.modalities.samples import Samples, Splits, moved
from anchorwise.modalities.views import ViewMaker
from anchorwise.training.state import RunState

# c = classes of a task, m = samples that are classified

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
    is_right, labels = _is_right(state.model, state.views, test, ids, device), test.labels[ids]
    by_task = {name_of(number): float(is_right[torch.isin(labels, task)].mean()) for number, task in enumerate(tasks)}
    return {_SEEN: float(is_right.mean()), **by_task}


def at_the_end(state: RunState, splits: Splits[Samples], device: torch.device) -> dict[str, float]:
    """Return the accuracy on the test samples, and on those that probes are fitted on, be they held out or not.

    Args:
        state: Of the run, after its last step.
        splits: Of its samples.
        device: Where to compute.
    """
    if not isinstance(state.model, Classifier):
        return {}
    return {
        name: float(_is_right(state.model, state.views, samples, torch.arange(len(samples)), device).mean())
        for name, samples in (("classifier_accuracy", splits.test), ("classifier_train_accuracy", splits.train))
        if samples is not None and samples.labels is not None
    }


def _is_right(
    model: Method, views: ViewMaker, samples: Samples, ids: Int64[Tensor, " m"], device: torch.device
) -> Float[Tensor, " m"]:
    """Return 1 for every sample that is put into its class, else 0."""
    assert samples.labels is not None
    with evaluation_mode(model):
        blocks = (views.plain(moved(samples.take(block), device)) for block in ids.split(_BLOCK))
        found = torch.cat([cast(Classifier, model).classify(view).cpu() for view in blocks])
    return (found == samples.labels[ids]).double()


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
