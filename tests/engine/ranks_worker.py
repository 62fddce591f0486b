"""One rank of the distributed test: every objective's loss and gradient on its own rows; run by test_ranks.py."""

from pathlib import Path

import torch
import torch.distributed as dist

import anchorwise
from anchorwise.engine import Tiled, use_backend
from anchorwise.tails import PooledExponent
from tests.contracts import batches
from tests.contracts.cases import CASES as ALL_CASES
from tests.contracts.cases import Case

# What is said of pairs of images is said of those of one process.
CASES = [case for case in ALL_CASES if not case.call(*batches.ordinary()).per_pair]

# One without and one with something for every image: for a rank that has none.
TAKING_PART = [case for case in CASES if case.name in ("info_nce", "sup_con")]

# Uneven tiles, several for every rank.
TILED = Tiled(size=17)


def _loss_and_gradients(case: Case, mine: slice, world_size: int) -> list[torch.Tensor | None]:
    # What else a call gives may be made of the views, and then has a gradient as well.
    whole = [view.requires_grad_() for view in batches.ordinary()]
    loss = case.call(*whole).of_samples(lambda values: values[mine]).loss(case.objective())
    loss.backward()
    # DistributedDataParallel takes the mean over ranks.
    return [loss.detach(), *(None if view.grad is None else view.grad[mine] / world_size for view in whole)]


def main(folder: Path, rank: int, world_size: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size)
    # Uneven: the last rank has what is left.
    mine = slice(7 * rank, None if rank == world_size - 1 else 7 * (rank + 1))
    with use_backend(TILED):
        results = {case.name: _loss_and_gradients(case, mine, world_size) for case in CASES}
    with use_backend("dense"):
        results["dense"] = _loss_and_gradients(CASES[0], mine, world_size)
    # The first rank has nothing to give, and takes part.
    edges = [0, 0, 7, None] if world_size == 3 else [0, 0, None] if world_size == 2 else [0, None]
    fewer = slice(edges[rank], edges[rank + 1])
    for backend in (TILED, "dense"):
        with use_backend(backend):
            for case in TAKING_PART:
                results[f"{backend} {case.name}"] = _loss_and_gradients(case, fewer, world_size)
    own = [view[mine] for view in batches.ordinary()]
    try:
        anchorwise.InfoNCE()(*(view[:0] for view in own))
    except ValueError as error:  # On all ranks, or this would wait.
        results["nothing"] = str(error)
    with use_backend(TILED):  # Not per anchor: the largest of what all ranks have found.
        results["pooled"] = [anchorwise.Weibit(exponent=PooledExponent())(*own)]
    with anchorwise.over_ranks(None):
        results["alone"] = [anchorwise.InfoNCE()(*own)]
    first = dist.new_group([0])
    if rank == 0:
        with anchorwise.over_ranks(first):
            results["first"] = [anchorwise.InfoNCE()(*own)]
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()
