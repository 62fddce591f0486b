"""Lightly's memory bank: a ring of earlier keys that a loss holds itself."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anchorwise._ranks import gather_rows, only_this_process_unless
from anchorwise.pairs import unit_rows

# n = images, k = keys in the bank, d = embedding width


@final
class MemoryBank(nn.Module):
    """As lightly's: drawn at random on the sphere, float32, part of the module but not of its state.

    Args:
        num_keys: Keys in the bank, at least 1.
        width: Of a key.
        gather_distributed: Whether the keys of all ranks enter.
    """

    bank: Float[Tensor, "k d"]
    bank_ptr: Int[Tensor, " 1"]

    def __init__(self, num_keys: int, width: int, *, gather_distributed: bool) -> None:
        super().__init__()
        self.gather_distributed = gather_distributed
        drawn = nn.functional.normalize(torch.randn(num_keys, width), dim=1)
        self.register_buffer("bank", drawn, persistent=False)
        self.register_buffer("bank_ptr", torch.zeros(1, dtype=torch.int64), persistent=False)

    @torch.no_grad()
    def push(self, keys: Float[Tensor, "n d"]) -> None:
        """Write keys over the oldest ones; what reaches beyond the end of the ring is left out, as there."""
        with only_this_process_unless(self.gather_distributed):
            rows = gather_rows(unit_rows(keys))
        start = int(self.bank_ptr)
        end = min(start + len(rows), len(self.bank))
        self.bank[start:end] = rows[: end - start].to(self.bank)
        self.bank_ptr[0] = end % len(self.bank)
