"""Lightly's loss convention: `criterion(out0, out1)` with the outputs of two views.

    criterion = NTXentLoss(temperature=0.2, gather_distributed=True)
    criterion = NTXentLoss(objective=anchorwise.WEINCE(temperature=0.2))

Lightly itself is not imported.
"""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise._ranks import only_this_process_unless
from anchorwise.adapters.two_views import objective_or_info_nce
from anchorwise.objectives import Objective

# n = images, d = embedding width


@final
class NTXentLoss(nn.Module):
    """Drop-in for `lightly.loss.NTXentLoss` and, with an objective, for its other losses of two views.

    The scale is lightly's: the mean over the 2n outputs. Not supported: the memory bank, which is MoCo and takes its
    queue as an argument here, and negative temperatures.

    Args:
        temperature: Divides every cosine, above 0; None is lightly's 0.5. Only without an objective.
        memory_bank_size: 0, or lightly's (0, width).
        gather_distributed: Whether the images of all ranks are each other's negatives. Every rank then returns the loss
            of all images, where lightly returns its own images' share; the gradients that DistributedDataParallel
            averages are the same, also for ranks with different numbers of images, where lightly fails.
        objective: Any objective of two views; None is NT-Xent.

    Raises:
        ValueError: If a memory bank is asked for, or an argument is out of range.
        TypeError: If the objective is none of this library.
    """

    def __init__(
        self,
        temperature: float | None = None,
        memory_bank_size: int | Sequence[int] = 0,
        gather_distributed: bool = False,
        *,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        _refuse_memory_bank(memory_bank_size)
        self.objective = objective_or_info_nce(objective, temperature, default=0.5)
        self.gather_distributed = gather_distributed

    def forward(self, out0: Float[Tensor, "n d"], out1: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """Return the scalar loss; row i of both outputs comes from image i."""
        with only_this_process_unless(self.gather_distributed):
            return self.objective(out0, out1)


def _refuse_memory_bank(memory_bank_size: int | Sequence[int]) -> None:
    num_rows = memory_bank_size if isinstance(memory_bank_size, int) else memory_bank_size[0]
    if num_rows != 0:
        raise ValueError(
            f"memory_bank_size must be 0, got {memory_bank_size!r}: no objective here keeps a queue; keep it in the "
            "training loop and call anchorwise.MoCo(temperature=0.1)(queries, keys, negatives=queue)"
        )
