"""A queue for every class: rows of earlier batches, of which rare classes have as many as common ones."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.models.queue import Queue

# n = rows of this rank's batch, k = slots of all classes, d = embedding width


@final
class ClassQueues(nn.Module):
    """The last rows of every class that were pushed, at length 1. Saved with whoever owns it.

    Args:
        num_classes: Classes 0 to `num_classes - 1`.
        num_slots: Rows that are kept of each.
        width: Of a row.
    """

    def __init__(self, num_classes: int, num_slots: int, width: int) -> None:
        super().__init__()
        _checks.count("num_classes", num_classes)
        self.queues = nn.ModuleList([Queue(num_slots, width) for _ in range(num_classes)])

    @property
    def rows(self) -> Float[Tensor, "k d"]:
        """All slots; those that are empty hold zeros."""
        return torch.cat([queue.rows for queue in self._each])

    @property
    def labels(self) -> Int[Tensor, " k"]:
        """The class of every slot; -1 in an empty one."""
        return torch.cat([queue.ids for queue in self._each])

    def push(self, rows: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> None:
        """Put rows in, of all ranks in their order; rows of other classes are left out.

        In evaluation mode the queues stay as they are.
        """
        for label, queue in enumerate(self._each):
            own = labels == label
            queue.push(rows[own], labels[own])

    @property
    def _each(self) -> list[Queue]:
        return [queue for queue in self.queues if isinstance(queue, Queue)]
