"""One rank of the distributed test: every objective's gradient on its own rows; run by test_ranks.py."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from anchorwise.engine.ranks import gather_rows
from tests.contracts import batches
from tests.contracts.cases import CASES


def main(folder: str, rank: int, world_size: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size)
    gradients = {}
    for case in CASES:
        # Uneven: the last rank has what is left.
        mine = slice(7 * rank, None if rank == world_size - 1 else 7 * (rank + 1))
        own = [view[mine].clone().requires_grad_() for view in batches.ordinary()]
        case.objective()(*(gather_rows(view) for view in own)).backward()
        # DistributedDataParallel takes the mean over ranks.
        gradients[case.name] = [view.grad / world_size for view in own if view.grad is not None]
    torch.save(gradients, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
