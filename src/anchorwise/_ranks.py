"""The ranks that share a batch: whose rows count, and how what they computed comes together.

A process group that exists is used without being asked for; `over_ranks` says otherwise.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

# n = rows of this rank, m = rows of all ranks, d = width

_DEFAULT = "default"
# The dtypes that rows, labels and ids have, by which ranks tell each other theirs.
_DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool, torch.float16, torch.bfloat16)
_chosen: ContextVar[Any] = ContextVar("anchorwise_ranks", default=_DEFAULT)


@dataclass(frozen=True)
class Ranks:
    """Processes that hold the same rows and share the work on them.

    Attributes:
        group: A process group of torch.distributed.
        rank: This process among them.
        size: Their number.
    """

    group: Any
    rank: int
    size: int

    def add_up(self, *parts: Tensor) -> None:
        """Add up tensors over all ranks, in place."""
        with _all_meeting():
            for part in parts:
                dist.all_reduce(part, group=self.group)

    def shards(self, num_rows: int) -> list[slice]:
        """Return every rank's own of so many rows; their numbers differ by one at most."""
        edges = [rank * num_rows // self.size for rank in range(self.size + 1)]
        return [slice(start, stop) for start, stop in pairwise(edges)]

    def all_shards(self, shard: Tensor, num_rows: int) -> Tensor:
        """Return all of so many rows, of which every rank brings its shard."""
        return torch.cat(self._of_all(shard, [rows.stop - rows.start for rows in self.shards(num_rows)]))

    def gathered(self, rows: Tensor) -> list[Tensor]:
        """Return the rows of every rank, of which each may have its own number, or none.

        Raises:
            ValueError: On all ranks, if their rows differ in width or dtype, which no collective would notice.
        """
        form = [math.prod(rows.shape[1:]), _DTYPES.index(rows.dtype)]
        own = torch.tensor([[len(rows), *form]], device=rows.device)
        forms = torch.cat(self._of_all(own, [1] * self.size)).tolist()
        if any(other[1:] != form for other in forms):
            found = ", ".join(f"{width} x {_DTYPES[dtype]}" for _, width, dtype in forms)
            raise ValueError(f"rows must have one width and dtype on all ranks, got {found}, rank by rank")
        return self._of_all(rows, [size for size, *_ in forms])

    def _of_all(self, rows: Tensor, sizes: Sequence[int]) -> list[Tensor]:
        # Collectives need one shape on all ranks: pad to the longest and cut again.
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        if padded.numel():
            with _all_meeting():
                dist.all_gather(parts, padded, group=self.group)
        return [part[:size] for part, size in zip(parts, sizes, strict=True)]


@contextmanager
def _all_meeting() -> Iterator[None]:
    """Say what to do where ranks waited for each other in vain."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            f"not all ranks came to compute this loss together: {error}\n"
            "An objective sees the rows of all ranks and must be called on each of them, without rows where there are "
            "none. A loss for some of them, such as validation on rank 0, is computed inside "
            "`with anchorwise.over_ranks(None):`"
        ) from error


def sharing_ranks() -> Ranks | None:
    """Return the ranks that share a batch; None where this process is alone or wants to be."""
    if not (dist.is_available() and dist.is_initialized()) or _chosen.get() is None:
        return None
    group = None if _chosen.get() is _DEFAULT else _chosen.get()
    size = dist.get_world_size(group)
    # -1 says that this process is not in the group.
    return Ranks(group, dist.get_rank(group), size) if size > 1 else None


@contextmanager
def over_ranks(group: Any) -> Iterator[None]:
    """Let objectives see the rows of these ranks only.

        with anchorwise.over_ranks(None):  # this process by itself, whatever process groups there are
            loss = objective(view0, view1)

    By default every objective is computed on the rows of all ranks of the default process group, and must then be
    called on all of them.

    Args:
        group: A process group of torch.distributed, or None for this process alone.
    """
    token = _chosen.set(group)
    try:
        yield
    finally:
        _chosen.reset(token)


def only_this_process_unless(gather: bool) -> AbstractContextManager[None]:
    """Return the context of a caller's convention in which ranks are on request only."""
    return nullcontext() if gather else over_ranks(None)


def gather_rows(rows: Shaped[Tensor, " n *rest"]) -> Shaped[Tensor, " m *rest"]:
    """Return the rows of all ranks, rank by rank; without a process group, the rows themselves.

    Labels and ids, one number per row, are gathered in the same way.

    Ranks may hold different numbers of rows, and some none. Every rank is to compute the same loss of all rows; the
    gradient that comes back to a rank is then its own rows' share, times the number of ranks, so that the mean over
    ranks which DistributedDataParallel takes is exactly the gradient of one process on the union.
    """
    ranks = sharing_ranks()
    return rows if ranks is None else _GatherRows.apply(rows, ranks)


@torch.no_grad()
def mean_of_rows(rows: Shaped[Tensor, "n d"]) -> Shaped[Tensor, " d"]:
    """Return the mean of the rows of all ranks, which may have different numbers of them; it has no gradient."""
    # So sums and numbers go around, and not means.
    own = torch.cat([rows.sum(dim=0), rows.new_full((1,), len(rows))])
    total = gather_rows(own.unsqueeze(0)).sum(dim=0)
    return total[:-1] / total[-1]


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: Ranks) -> Tensor:
        parts = ranks.gathered(rows)
        ctx.start, ctx.size, ctx.num_ranks = sum(map(len, parts[: ranks.rank])), len(rows), ranks.size
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0][ctx.start : ctx.start + ctx.size] * ctx.num_ranks, None
