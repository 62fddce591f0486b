"""The ranks of a run: one process, or those that torchrun started."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Ranks:
    """Where this process stands.

    Attributes:
        rank: Counted from 0; rank 0 writes files and shows progress.
        world_size: Processes that share every batch.
        device: Of this process.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def any_wants(self, wish: bool) -> bool:
        """Return whether any rank wishes so; every rank must ask."""
        return self.sum_of(int(wish)) > 0

    def sum_of(self, number: int) -> int:
        """Return the sum of the ranks' numbers; every rank must ask."""
        if self.world_size == 1:
            return number
        total = torch.tensor([number], device=self.device)
        dist.all_reduce(total)
        return int(total)


@contextmanager
def ranks(device: str) -> Iterator[Ranks]:
    """Join the process group that torchrun announces, gloo on the CPU and NCCL on CUDA, and leave it at the end.

    Args:
        device: "auto", or a torch device; several ranks on CUDA take one device each.

    Raises:
        ValueError: If the device does not exist here.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if world_size == 1:
        yield Ranks(0, 1, chosen)
        return
    # DistributedDataParallel imports it, and imported while there is a group it keeps that group for good: gloo's
    # threads then outlive destroy_process_group and now and then abort a process that is through (torch 2.15).
    importlib.import_module("torch._dynamo")
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), world_size, chosen)
    finally:
        dist.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"train.device must be 'auto' or a torch device, got {name!r}") from error
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        raise ValueError(f"train.device is {name!r}, but torch sees no CUDA device here; use 'auto' or 'cpu'")
    device = torch.device("cuda", local_rank if device.index is None else device.index)
    torch.cuda.set_device(device)
    return device
