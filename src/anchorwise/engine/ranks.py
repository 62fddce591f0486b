"""Rows of all ranks on every rank, with the gradients that one process would have."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

# n = rows of this rank, m = rows of all ranks


def gather_rows(rows: Shaped[Tensor, " n *rest"]) -> Shaped[Tensor, " m *rest"]:
    """Return the rows of all ranks, rank by rank; without a process group, the rows themselves.

    Labels and ids, one number per row, are gathered in the same way.

    Ranks may hold different numbers of rows. Every rank is to compute the same loss of all rows; the gradient that
    comes back to a rank is then its own rows' share, times the number of ranks, so that the mean over ranks which
    DistributedDataParallel takes is exactly the gradient of one process on the union.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    return _GatherRows.apply(rows)


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        sizes = [int(count) for count in counts]
        # Collectives need one shape on all ranks: pad to the longest and cut again.
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(gathered, padded)
        ctx.start, ctx.size, ctx.num_ranks = sum(sizes[: dist.get_rank()]), len(rows), len(sizes)
        return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0][ctx.start : ctx.start + ctx.size] * ctx.num_ranks
