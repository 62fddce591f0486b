"""Lightly's loss convention: `criterion(out0, out1)` with the outputs of two views.

    criterion = NTXentLoss(temperature=0.2, gather_distributed=True)
    criterion = NTXentLoss(objective=anchorwise.WEINCE(temperature=0.2))

Lightly itself is not imported.
"""

from collections.abc import Sequence
from typing import final

import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._described import Described
from anchorwise._ranks import only_this_process_unless, over_ranks
from anchorwise.adapters.memory_bank import MemoryBank
from anchorwise.adapters.two_views import objective_or, two_view_objective
from anchorwise.objectives import InfoNCE, MoCo, Objective

# n = samples, d = embedding width


@final
class NTXentLoss(Described):
    """Drop-in for `lightly.loss.NTXentLoss` and, with an objective, for its other losses of two views.

    The scale is lightly's: the mean over the 2n outputs, or over the n of view 0 beside a memory bank. With a bank the
    loss is `MoCo`: the negatives are the bank's keys, and `out1` enters it afterwards, if `out0` needs a gradient. One
    difference: `out1` itself gets no gradient, as a momentum encoder's rows need none. Not supported: negative
    temperatures.

    Args:
        temperature: Divides every cosine, above 0; None is lightly's 0.5. Only without an objective.
        memory_bank_size: (keys, width) of the bank, which starts with random directions; 0 or (0, width) is none. Keys
            alone, as up to lightly 1.5, wait for the first outputs to know their width.
        gather_distributed: Whether the samples of all ranks are each other's negatives. Every rank then returns the
            loss of all samples, where lightly returns its own samples' share; the gradients that
            DistributedDataParallel averages are the same, also for ranks with different numbers of samples, where
            lightly fails. Beside a bank it is the keys of all ranks that enter, and every rank returns the loss of its
            own samples.
        objective: Any objective of two views, or a `MoCo` beside a bank; None is NT-Xent, or MoCo.

    Raises:
        ValueError: If the objective does not suit, torch has no distributed package and ranks are to be gathered, or
            an argument is out of range.
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
        if gather_distributed and not dist.is_available():
            raise ValueError(
                "gather_distributed must be False where torch has no distributed package, got True: there are no "
                "ranks to gather from; install a torch that has one"
            )
        self.gather_distributed = gather_distributed
        size = _bank_size(memory_bank_size)
        self.memory_bank = None if size is None else MemoryBank(*size, gather_distributed=gather_distributed)
        if size is None:
            self.objective = two_view_objective(objective_or(InfoNCE, objective, temperature, default=0.5))
        else:
            self.objective = _beside_a_bank(objective_or(MoCo, objective, temperature, default=0.5))

    def forward(self, out0: Float[Tensor, "n d"], out1: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """Return the scalar loss; row i of both outputs comes from sample i."""
        if self.memory_bank is None:
            with only_this_process_unless(self.gather_distributed):
                return self.objective(out0, out1)
        _tensor_checks.no_second_pass(self, "its memory bank")
        with over_ranks(None):
            loss = self.objective(out0, out1, queue=self.memory_bank.beside(out0))
        if out0.requires_grad:
            self.memory_bank.push(out1)
        return loss


def _bank_size(given: int | Sequence[int]) -> tuple[int, int | None] | None:
    """Return keys and, where it is said, width of the memory bank; None for no bank."""
    size = (given,) if isinstance(given, int) else tuple(given)
    if len(size) not in (1, 2):
        raise ValueError(f"memory_bank_size must be (keys, width), or 0 for no bank, got {given!r}")
    if size[0] == 0:
        return None
    width = None if len(size) == 1 else _checks.count("memory_bank_size[1]", size[1])
    return _checks.count("memory_bank_size[0]", size[0]), width


def _beside_a_bank(objective: object) -> MoCo:
    if not isinstance(objective, MoCo):
        raise ValueError(
            f"objective must be an anchorwise.MoCo beside a memory bank, got {type(objective).__name__}, which does "
            "not take its keys: leave memory_bank_size at 0, or choose MoCo(temperature=..., blend=...)"
        )
    return objective
