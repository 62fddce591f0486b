"""Batches for the steps: from the device where all samples fit, else read ahead, so that no step waits for the host."""

import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, final

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from anchorwise.modalities.samples import Batch, Samples
from anchorwise.modalities.views import ViewMaker

# n = samples of the set, b = samples of this rank's batch

RESIDENT_SHARE = 0.25  # Of a device's free memory, for samples.
_NUM_AHEAD = 2  # Batches that wait while another is computed.


class Wanted(NamedTuple):
    """A batch to come: which samples, and the seed of what is random in reading them."""

    ids: Int64[Tensor, " b"]
    seed: int


class Loader(ABC):
    """Gives batches in the order in which they are wanted; the same, whoever does."""

    @abstractmethod
    def batches(self, wanted: Sequence[Wanted]) -> Generator[Batch, None, None]:
        """Yield the batches; closed early, it leaves no thread and no process behind."""


def loader_of(views: ViewMaker, samples: Samples, device: torch.device, *, num_workers: int = 0) -> Loader:
    """Return what loads samples for steps on a device.

    Args:
        views: What the batches are collected for.
        samples: Of the training.
        device: Where the steps are taken.
        num_workers: Processes that read samples which do not lie in memory.
    """
    whole = samples.whole() if type(views).collect is ViewMaker.collect else None
    if whole is None:
        return ByWorkers(views, samples, num_workers) if num_workers else InTurn(views, samples)
    if device.type != "cuda":
        return InTurn(views, samples)
    free_bytes, _ = torch.cuda.mem_get_info(device)
    fits = whole.nbytes <= RESIDENT_SHARE * free_bytes
    return Resident(samples, whole, device) if fits else ReadAhead(samples, device)


@final
@dataclass(frozen=True)
class InTurn(Loader):
    """Reads a batch when its step is to be taken."""

    views: ViewMaker
    samples: Samples

    def batches(self, wanted: Sequence[Wanted]) -> Generator[Batch, None, None]:
        """Yield the batches."""
        for ids, seed in wanted:
            yield self.views.collect(self.samples, ids, seed=seed)


@final
class Resident(Loader):
    """Keeps all samples on the device and takes the batches there.

    Args:
        samples: What they belong to.
        whole: All of them.
        device: Where they are kept.
    """

    def __init__(self, samples: Samples, whole: Shaped[Tensor, "n ..."], device: torch.device) -> None:
        self._all = Batch(whole, torch.arange(len(whole)), samples.labels, samples.groups, samples.values).to(device)

    def batches(self, wanted: Sequence[Wanted]) -> Generator[Batch, None, None]:
        """Yield the batches; their numbers go to the device at once."""
        there = torch.cat([each.ids for each in wanted]).to(self._all.ids.device)
        for ids in there.split([len(each.ids) for each in wanted]):
            yield self._all.taken(ids)


@final
class ReadAhead(Loader):
    """Gathers the next batches in a thread, and moves them to the device beside the steps.

    Samples of one tensor only: what draws random numbers while it reads must not do so beside a step.

    Args:
        samples: In memory, or mapped from a file.
        device: Where they are to be.
    """

    def __init__(self, samples: Samples, device: torch.device) -> None:
        self._samples, self._device = samples, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def batches(self, wanted: Sequence[Wanted]) -> Generator[Batch, None, None]:
        """Yield the batches; what fails in the thread is raised where its batch would have come."""
        coming, pool = iter(wanted), ThreadPoolExecutor(1, thread_name_prefix="anchorwise-read-ahead")
        try:
            waiting = deque(pool.submit(self._read, each.ids) for each in islice(coming, _NUM_AHEAD))
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(pool.submit(self._read, each.ids) for each in islice(coming, 1))
                if self._stream is not None:
                    batch.each(_used_on_this_stream)
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, ids: Tensor) -> Batch:
        batch = self._samples.batch(ids)
        if self._stream is None:
            return batch
        with torch.cuda.stream(self._stream):
            there = batch.pin_memory().to(self._device)
        self._stream.synchronize()  # This thread waits, not the one that takes the steps.
        return there


def _used_on_this_stream(part: Tensor) -> Tensor:
    """Keep memory that another stream filled until this one is done with it."""
    part.record_stream(torch.cuda.current_stream())
    return part


@final
@dataclass(frozen=True)
class ByWorkers(Loader):
    """Reads the next batches in processes of their own, each sample with the seed that it has in any other."""

    views: ViewMaker
    samples: Samples
    num_workers: int

    def batches(self, wanted: Sequence[Wanted]) -> Generator[Batch, None, None]:
        """Yield the batches; what fails in a process is raised here."""
        yield from DataLoader(
            _Collected(self.views, self.samples, wanted),
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals,
            generator=torch.Generator(),
        )


@dataclass(frozen=True)
class _Collected(Dataset[Batch]):
    views: ViewMaker
    samples: Samples
    wanted: Sequence[Wanted]

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, number: int) -> Batch:
        ids, seed = self.wanted[number]
        return self.views.collect(self.samples, ids, seed=seed)


def _leave_signals(worker: int) -> None:
    """Let the run itself answer an interrupt, which reaches its whole group: it ends after the step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
