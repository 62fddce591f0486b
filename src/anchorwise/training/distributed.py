"""The ranks of a run: one process, or those that torchrun started."""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from anchorwise._device import as_device

Result = TypeVar("Result")


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

    def together(self, work: Callable[[], Result]) -> Result:
        """Return what `work` gives here; if it fails on any rank, every rank raises instead of waiting for that one.

        Raises:
            ValueError: If it failed on another rank; here, whatever `work` raises.
        """
        try:
            result = work()
        except Exception as error:
            self._gathered(f"{type(error).__name__}: {error}")
            raise
        for rank, problem in enumerate(self._gathered("")):
            if problem:
                raise ValueError(f"rank {rank} cannot go on: {problem}")
        return result

    def from_first(self, work: Callable[[], Result]) -> Result:
        """Return to every rank what `work` gives on the first: its disk decides, and no other has to be the same disk.

        Raises:
            ValueError: If it failed there; there, whatever `work` raises.
        """
        told: list[Any] = [self.together(work if self.is_first else lambda: None)]
        if self.world_size > 1:
            dist.broadcast_object_list(told, src=0)
        return told[0]

    def refuse_unlike(self, what: str, value: object) -> None:
        """Refuse to go on unless every rank has the same.

        Raises:
            ValueError: If one has another value; on every rank.
        """
        values = self._gathered(value)
        others = [rank for rank, other in enumerate(values) if other != values[0]]
        if others:
            raise ValueError(f"{what} must be the same on every rank; rank {others[0]} has others than rank 0")

    def _gathered(self, value: object) -> list[Any]:
        values: list[Any] = [value]
        if self.world_size > 1:
            values = [None] * self.world_size
            dist.all_gather_object(values, value)
        return values

    def sum_of(self, number: int) -> int:
        """Return the sum of the ranks' numbers; every rank must ask."""
        if self.world_size == 1:
            return number
        total = torch.tensor([number])  # What ranks tell each other goes from host to host: no GPU waits for it.
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
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), world_size, chosen)
    finally:
        dist.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{local_rank}"
    device = as_device(name, "train.device")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
