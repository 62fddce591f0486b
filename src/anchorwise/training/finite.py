"""What must stay finite, looked at without making a GPU wait: losses and gradients as lines are logged, then weights.

Nothing that is not finite is ever saved: whoever saves, checks first.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from anchorwise.training.step import Taken

_WAY_OUT = "the last checkpoint is as it was. A lower optimizer.peak_lr or train.amp=false may help"
_MOST_UNREAD = 1000  # Numbers that wait on the device.


class NonFiniteLossError(ValueError):
    """A loss, a gradient or a weight is not finite; the run stops, and its last checkpoint stays."""


class FiniteWatch:
    """Keeps losses and gradient norms where they are computed until somebody has to know."""

    def __init__(self) -> None:
        self._unread: list[tuple[str, Tensor]] = []

    def note(self, step: int, taken: "Taken") -> None:
        """Take note of a step's numbers.

        Raises:
            NonFiniteLossError: As `check`, which many steps without one make necessary.
        """
        # A copy: what a replayed step writes is written over by the next.
        self._unread.append((f"the loss of step {step} is", taken.outcome.loss.detach().clone()))
        if taken.gradient_norm is not None:
            self._unread.append((f"the gradient of step {step} has norm", taken.gradient_norm.clone()))
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
        words, numbers = zip(*unread, strict=True)
        for what, value in zip(words, torch.stack(numbers).tolist(), strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(f"{what} {value}; {_WAY_OUT}")


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
