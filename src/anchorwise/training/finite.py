"""What must stay finite, looked at without making a GPU wait: losses and gradients as lines are logged, then weights.

Nothing that is not finite is ever saved: whoever saves, checks first.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from anchorwise.modalities.samples import View

if TYPE_CHECKING:
    from anchorwise.training.step import Taken

_KEPT = "the last checkpoint is as it was"
_WAY_OUT = f"{_KEPT}. A lower optimizer.peak_lr or train.amp=false may help"
_MOST_UNREAD = 1000  # Numbers that wait on the device.


class NonFiniteLossError(ValueError):
    """A loss, a gradient or a weight is not finite; the run stops, and its last checkpoint stays.

    Attributes:
        what: Which it is, and what it is.
        step: Of which step; None of weights.
    """

    what: str = ""
    step: int | None = None


class FiniteWatch:
    """Keeps losses and gradient norms where they are computed until somebody has to know."""

    def __init__(self) -> None:
        self._unread: list[tuple[int, str, Tensor]] = []

    def note(self, step: int, taken: "Taken") -> None:
        """Take note of a step's numbers.

        Raises:
            NonFiniteLossError: As `check`, which many steps without one make necessary.
        """
        # A copy: what a replayed step writes is written over by the next.
        self._unread.append((step, f"the loss of step {step} is", taken.outcome.loss.detach().clone()))
        if taken.gradient_norm is not None:
            self._unread.append((step, f"the gradient of step {step} has norm", taken.gradient_norm.clone()))
        if len(self._unread) >= _MOST_UNREAD:
            self.check()

    def check(self) -> None:
        """Wait for all steps so far and look at their numbers.

        Raises:
            NonFiniteLossError: If one is not finite; it names the first.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return
        steps, words, numbers = zip(*unread, strict=True)
        for step, what, value in zip(steps, words, torch.stack(numbers).tolist(), strict=True):
            if not math.isfinite(value):
                error = NonFiniteLossError(f"{what} {value}; {_WAY_OUT}")
                error.what, error.step = f"{what} {value}", step
                raise error


def blamed_on(error: NonFiniteLossError, views: Sequence[View], names: Sequence[str]) -> NonFiniteLossError:
    """Return the error that says which sample's views are not finite themselves; the same one if all are.

    Args:
        error: Of a step.
        views: Of the samples of the step.
        names: Of the samples.
    """
    tensors = [tensor for tensor in tree_leaves(list(views)) if isinstance(tensor, Tensor)]
    for rows in tensors:
        # Of some modalities a view has other rows than samples, which nobody can be blamed by.
        if rows.is_floating_point() and len(rows) == len(names) and not rows.isfinite().all():
            bad = int(rows.isfinite().flatten(start_dim=1).all(dim=1).logical_not().nonzero()[0])
            return NonFiniteLossError(
                f"{error.what}, since the views of sample {names[bad]!r} are not finite; {_KEPT}. Leave "
                "such samples out or mend them, or look at what makes their views"
            )
    return error


def check_weights(model: nn.Module, *, last_step: int) -> None:
    """Refuse a state that must not be saved: a finite loss can have a gradient that is not finite.

    Raises:
        NonFiniteLossError: If a weight is not finite.
    """
    if (name := non_finite_weight(model)) is not None:
        raise NonFiniteLossError(f"{name} is not finite after step {last_step}; {_WAY_OUT}")


def non_finite_weight(model: nn.Module) -> str | None:
    """Return the name of a weight that is not finite; None if all are."""
    weights = model.state_dict()
    are_finite = torch.stack([weight.isfinite().all() for weight in weights.values()]).tolist()
    return next((name for name, is_finite in zip(weights, are_finite, strict=True) if not is_finite), None)
