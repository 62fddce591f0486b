"""One rank of the distributed test: every objective's gradient on its own rows; run by test_ranks.py."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from tests.contracts import batches
from tests.contracts.cases import CASES


def main(folder: str, rank: int, world_size: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size)
    gradients = {}
    # Uneven: the last rank has what is left.
    mine = slice(7 * rank, None if rank == world_size - 1 else 7 * (rank + 1))
    for case in CASES:
        own = [view[mine].clone().requires_grad_() for view in batches.ordinary()]
        part = case.call(*batches.ordinary()).of_images(lambda values: values[mine])
        replace(part, views=case.call(*own).views).loss(case.objective()).backward()
        # DistributedDataParallel takes the mean over ranks.
        gradients[case.name] = [None if view.grad is None else view.grad / world_size for view in own]
    torch.save(gradients, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
