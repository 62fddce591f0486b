"""Several calls for one batch, which is to count once for what an objective, or a blend in it, keeps."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from anchorwise.links import SoftmaxLink
from anchorwise.pairs import Contrast
from anchorwise.tails.blend import Blend, LinkReading, read_link

_Made = TypeVar("_Made")


def from_one_state(owner: nn.Module | None, calls: Sequence[Callable[[], _Made]]) -> list[_Made]:
    """Return what calls give that all meet one state, which then moves once, to the mean of where they move it.

    An entry of a table that some of them leave as it is moves to the mean of the others.
    """
    before = [] if owner is None else [(buffer, buffer.clone()) for buffer in owner.buffers()]
    if not before or len(calls) == 1:
        return [call() for call in calls]
    made, moved = [], []
    for call in calls:
        for buffer, value in before:
            buffer.copy_(value)
        made.append(call())
        moved.append([buffer.clone() for buffer, _ in before])
    for (buffer, value), *values in zip(before, *moved, strict=True):
        after = torch.stack(values)
        has_moved = after != value
        mean = (after * has_moved).sum(dim=0) / has_moved.sum(dim=0).clamp_min(1)
        buffer.copy_(torch.where(has_moved.any(dim=0), mean.to(buffer), buffer))
    return made


def read_links(blend: Blend | None, contrasts: Sequence[Contrast], softmax: SoftmaxLink) -> list[LinkReading]:
    """Return the link of each of several contrasts of one batch, as `read_link` does."""
    return from_one_state(blend, [partial(read_link, blend, contrast, softmax) for contrast in contrasts])
