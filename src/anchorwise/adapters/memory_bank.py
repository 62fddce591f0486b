"""Lightly's memory bank: a ring of earlier keys that a loss holds itself."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anchorwise._ranks import gather_rows, only_this_process_unless
from anchorwise.pairs import unit_rows

# n = samples, k = keys in the bank, d = embedding width


@final
class MemoryBank(nn.Module):
    """As lightly's: drawn at random on the sphere, float32, part of the module but not of its state.

    Args:
        num_keys: Keys in the bank, at least 1.
        width: Of a key; None is that of the first keys that are asked for.
        gather_distributed: Whether the keys of all ranks enter.
    """

    bank: Float[Tensor, "k d"]
    bank_ptr: Int[Tensor, " 1"]

    def __init__(self, num_keys: int, width: int | None, *, gather_distributed: bool) -> None:
        super().__init__()
        self.gather_distributed = gather_distributed
        drawn = torch.empty(num_keys, 0) if width is None else _drawn(num_keys, width)
        self.register_buffer("bank", drawn, persistent=False)
        self.register_buffer("bank_ptr", torch.zeros(1, dtype=torch.int64), persistent=False)

    def beside(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "k d"]:
        """Return the keys, on the device of the rows."""
        if self.bank.shape[1] == 0:
            # Of a bank that is made in inference mode, none could be written over afterwards.
            with torch.inference_mode(False):
                self.bank = _drawn(len(self.bank), rows.shape[1]).to(self.bank)
        return self.bank.to(rows.device)

    @torch.no_grad()
    def push(self, keys: Float[Tensor, "n d"]) -> None:
        """Write keys over the oldest ones; what reaches beyond the end of the ring is left out, as there."""
        with only_this_process_unless(self.gather_distributed):
            rows = gather_rows(unit_rows(keys))
        start = int(self.bank_ptr)
        end = min(start + len(rows), len(self.bank))
        self.bank[start:end] = rows[: end - start].to(self.bank)
        self.bank_ptr[0] = end % len(self.bank)


def _drawn(num_keys: int, width: int) -> Float[Tensor, "k d"]:
    return nn.functional.normalize(torch.randn(num_keys, width), dim=1)
