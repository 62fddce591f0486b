"""One rank of the methods' distributed test: every method's losses and weights; run by test_ranks.py."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from anchorwise.methods import METHODS
from tests.methods.training import in_pieces, method_of, optimizer_of, train

NUM_STEPS = 4
# A part of a batch is other samples where ranks have their own.
_FOR_RANKS: dict[str, dict[str, int]] = {"msd": {"num_parts": 1}}
# Draws hard negatives among its rank's own samples, as its source does.
OF_OWN_RANK = {"albef"}


def trained(
    name: str, mine: slice = slice(None), *, is_shared: bool = False, max_rows: int | None = None
) -> dict[str, torch.Tensor]:
    """Train a method without batch normalisation on some samples of every batch; return its losses and its state."""
    method = in_pieces(method_of(name, norm="layer", **_FOR_RANKS.get(name, {})), max_rows)
    network = DistributedDataParallel(method, broadcast_buffers=False) if is_shared else method
    losses = train(method, optimizer_of(method), range(NUM_STEPS), mine=mine, network=network)
    return {"losses": torch.tensor(losses), **method.state_dict()}


def main(folder: str, rank: int, world_size: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size)
    # Uneven: 4 of 6 samples, and 2.
    mine = slice(0, 4) if rank == 0 else slice(4, 6)
    results = {name: trained(name, mine, is_shared=True) for name in METHODS}
    results["in pieces"] = trained("simclr", mine, is_shared=True, max_rows=3)
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
