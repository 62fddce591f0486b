"""The queue: rows of earlier batches in a ring, with the numbers of the samples they come from.

Source: He et al. 2019, "Momentum Contrast for Unsupervised Visual Representation Learning", Section 3.2,
https://arxiv.org/abs/1911.05722, and its released code.
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._precision import products
from anchorwise._ranks import gather_rows
from anchorwise.pairs import EMPTY_SLOT, unit_rows

# n = rows of this rank's batch, k = slots, d = embedding width

_NO_SAMPLE = -2  # A random row comes from no sample, and counts.


@final
class Queue(nn.Module):
    """The last rows that were pushed, at length 1; the oldest are overwritten. Saved with the method that owns it.

    Read before you push: a batch that meets its own rows has found its positives among the negatives.

    Args:
        num_slots: Rows that are kept.
        width: Of a row.
        random: Whether slots start as random directions, as in MoCo's release, instead of empty.

    Attributes:
        rows: All slots; those that are empty hold zeros.
        ids: The samples' numbers; -1 in an empty slot, -2 for a random row.
    """

    rows: Tensor
    ids: Tensor
    next_slot: Tensor

    def __init__(self, num_slots: int, width: int, *, random: bool = False) -> None:
        super().__init__()
        _checks.count("num_slots", num_slots)
        _checks.count("width", width)
        rows = unit_rows(torch.randn(num_slots, width)) if random else torch.zeros(num_slots, width)
        self.register_buffer("rows", rows)
        self.register_buffer("ids", torch.full((num_slots,), _NO_SAMPLE if random else EMPTY_SLOT))
        self.register_buffer("next_slot", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, rows: Float[Tensor, "n d"], ids: Int[Tensor, " n"]) -> None:
        """Put rows in, of all ranks in their order; of more rows than there are slots the last ones.

        In evaluation mode the queue stays as it is.
        """
        if self.training:
            self.put(gather_rows(unit_rows(rows)), gather_rows(ids))

    @torch.no_grad()
    def put(self, rows: Float[Tensor, "n d"], ids: Int[Tensor, " n"]) -> None:
        """Put unit rows in that are those of all ranks already."""
        num_slots = len(self.rows)
        offset = max(0, len(rows) - num_slots)
        slots = (self.next_slot + torch.arange(offset, len(rows), device=rows.device)) % num_slots
        self.rows[slots] = rows[offset:].to(self.rows)
        self.ids[slots] = ids[offset:].to(self.ids)
        self.next_slot.add_(len(rows)).remainder_(num_slots)

    @torch.no_grad()
    def nearest(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return the row of the queue with the largest cosine to each given row; the given one where all are empty."""
        units = unit_rows(rows).to(self.rows)
        scores = products(units, self.rows).masked_fill(self.ids == EMPTY_SLOT, -torch.inf)
        best = scores.max(dim=1)
        return torch.where(best.values.isfinite().unsqueeze(1), self.rows[best.indices], units)
