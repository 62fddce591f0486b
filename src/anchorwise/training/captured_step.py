"""A step recorded once and replayed: one CUDA graph for every shape of batch and every phase of the method, up to 64.

A replay launches all kernels of views, forward and backward pass and update at once, where the host would otherwise
need longer for each than a small batch computes. It does to new numbers, in the same memory, what was recorded: so
batch and seed are copied to where the recorded step reads them, learning rates are tensors, and whatever the method
decides by the time is a phase with a recording of its own (`anchorwise.methods.Method`). The first steps of each kind
are ordinary ones, which count: libraries prepare themselves in them, the optimiser makes its state, and a run that is
resumed, or not captured at all, takes the same steps.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, "Whole-network capture".
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version
from torch.utils._pytree import tree_leaves

from anchorwise._warnings import warn
from anchorwise.modalities.samples import Batch
from anchorwise.training.config import RunConfig
from anchorwise.training.distributed import Ranks

# A captured step has not run on a card yet; `benchmarks/gpu_session.py` compares and times it.
CAPTURED_BY_DEFAULT = False
NUM_ORDINARY = 3  # Steps of a kind before it is recorded.
# Kinds that are recorded; later ones stay ordinary. Each keeps its batch and its launches in memory, and texts of up to
# 512 tokens alone have 64 padded lengths.
MAX_RECORDINGS = 64

Result = TypeVar("Result")
Work = Callable[[Batch, Tensor], Result]  # From a batch and a seed on its device.


class Graphs(ABC):
    """Records work and gives back what replays it."""

    @abstractmethod
    def ordinary(self, work: Callable[[], Result]) -> Result:
        """Do work as it will be recorded, without recording it."""

    @abstractmethod
    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Return where the results will be, and what does the work; it is not done yet.

        Raises:
            RuntimeError: If something in it cannot be recorded.
            MemoryError: If there is no room to record it.
        """


@final
class CudaGraphs(Graphs):
    """CUDA graphs that share their memory: each is done with it before the next one begins."""

    def __init__(self) -> None:
        self._pool, self._stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def ordinary(self, work: Callable[[], Result]) -> Result:
        """Do work on the stream that records: what autograd keeps of a stream is then of that one."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Record work; other threads, such as one that reads the next batch, may go on meanwhile."""
        graph, generator = torch.cuda.CUDAGraph(), torch.cuda.default_generators[torch.cuda.current_device()]
        before = generator.clone_state()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                result = work()
        except BaseException:
            graph.reset()  # Else its memory stays taken for as long as somebody holds the error.
            # In torch 2.11 the generator goes on waiting for a capture that failed, and refuses ordinary draws.
            generator.graphsafe_set_state(before)
            raise
        return result, graph.replay


@dataclass(frozen=True)
class _Recording:
    """A recorded step: where it reads, where its results are, what it changes, and what does it."""

    inputs: list[Tensor]
    result: Any
    changed: list[Tensor]
    replay: Callable[[], None]


@final
class CapturedStep:
    """Does the work of steps, recorded where that is possible; says once, in a warning, why it is not.

    Args:
        model: What the work changes; its parameters and buffers must stay where they are.
        graphs: Who records.

    Attributes:
        refusal: Why steps are not recorded; None as long as they can be.
    """

    def __init__(self, model: nn.Module, graphs: Graphs) -> None:
        self._model, self._graphs = model, graphs
        self._recordings, self._num_seen = dict[object, _Recording](), Counter[object]()
        self.refusal: str | None = None

    def __call__(self, work: Work[Result], batch: Batch, seed: int, *, phase: object) -> Result:
        """Do the work of a step; what it gives is overwritten by the next.

        Args:
            work: What is recorded; always the same.
            batch: On the device.
            seed: Of the step's views.
            phase: What else decides what is done, beside the shapes of the batch.
        """
        inputs = [part for part in tree_leaves(batch.parts) if isinstance(part, Tensor)]
        inputs.append(torch.full((), seed, device=batch.ids.device))
        kind = (phase, *((tuple(part.shape), part.dtype) for part in inputs))
        if self.refusal is None and kind not in self._recordings:
            self._num_seen[kind] += 1
            if self._num_seen[kind] <= NUM_ORDINARY or len(self._recordings) >= MAX_RECORDINGS:
                return self._ordinary(work, batch, inputs[-1])
            self._record(kind, work, batch, inputs)
        if self.refusal is not None:
            return work(batch, inputs[-1])
        recording = self._recordings[kind]
        for there, given in zip(recording.inputs, inputs, strict=True):
            there.copy_(given)
        recording.replay()
        # Autograd sees nothing of a replay: what is kept until a weight changes would be kept for good.
        increment_version(recording.changed)
        return recording.result

    def _ordinary(self, work: Work[Result], batch: Batch, seed: Tensor) -> Result:
        before = self._places()
        result = self._graphs.ordinary(lambda: work(batch, seed))
        moved = [name for name, place in self._places().items() if before.get(name) != place]
        if moved:
            self._refuse(f"{moved[0]} is another tensor after a step; change it in place (copy_, add_)")
        return result

    def _record(self, kind: object, work: Work[Any], batch: Batch, inputs: list[Tensor]) -> None:
        static = [part.clone() for part in inputs]
        others, host = iter(static), torch.get_rng_state()
        there = batch.each(lambda _: next(others))
        try:
            result, replay = self._graphs.record(lambda: work(there, static[-1]))
        except (RuntimeError, MemoryError) as error:
            self._refuse(_reason(error))
        else:
            if torch.equal(host, torch.get_rng_state()):
                changed = [*self._model.parameters(), *self._model.buffers()]
                self._recordings[kind] = _Recording(static, result, changed, replay)
            else:
                self._refuse("it draws random numbers on the host, which would be the same ones in every step")
        torch.set_rng_state(host)  # To record is not to draw.

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        self._recordings.clear()
        warn(f"steps are not captured, and so slower than they could be: {reason}")

    def _places(self) -> dict[str, int]:
        tensors = (*self._model.named_parameters(), *self._model.named_buffers())
        return {name: tensor.data_ptr() for name, tensor in tensors}


def _reason(error: BaseException) -> str:
    """Say what stopped a recording, and where; torch ends it with an error more, which only says that one was there."""
    while isinstance(error.__context__, RuntimeError | MemoryError):
        error = error.__context__
    torchs = Path(torch.__file__).parent
    frames = [frame for frame in extract_tb(error.__traceback__) if not Path(frame.filename).is_relative_to(torchs)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return "".join(str(error).splitlines()[:1]) + where


def captured_step(config: RunConfig, model: nn.Module, here: Ranks) -> CapturedStep | None:
    """Return what captures the steps of a run; None where they are to be ordinary ones."""
    wanted = config.train.captured
    if not (CAPTURED_BY_DEFAULT if wanted is None else wanted):
        return None
    if here.device.type == "cuda" and here.world_size == 1:
        return CapturedStep(model, CudaGraphs())
    if wanted:
        reason = "train.device is no CUDA device" if here.device.type != "cuda" else "several ranks share a batch"
        warn(f"train.captured does nothing here: {reason}")
    return None
