"""Who does the runs: this process, worker processes of this machine, or a Ray cluster."""

import os
import signal
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process, get_context, parent_process
from threading import Thread
from typing import Any

import torch

from anchorwise import _checks, _extras
from anchorwise._threads import usable_cores
from anchorwise.comparison.results import ResultStore, RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.work import Places, perform

EXECUTORS = ("local", "ray")
_UNGUARDED = 64  # Exit status of a worker whose script has no main guard.


class Executor(ABC):
    """Takes runs and gives back results in whatever order they come."""

    num_workers: int

    @abstractmethod
    def start(self, run: StudyRun) -> None:
        """Take a run; it begins when there is room."""

    @abstractmethod
    def next_result(self) -> RunResult:
        """Wait for a result.

        Raises:
            KeyboardInterrupt: If a signal ended the work early.
            ChildProcessError: If a worker died.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up what has not begun."""


def default_workers(device: str) -> int:
    """Return one worker per CUDA device, or per CPU core."""
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.cuda.device_count()
    return 1 if device.startswith("cuda") else usable_cores()


def make_executor(name: str, places: Places, num_workers: int) -> Executor:
    """Return the executor of that name.

    Raises:
        ValueError: If there is none, or its library is not installed.
    """
    _checks.one_of("--executor", name, EXECUTORS)
    if name == "ray":
        return RayExecutor(places)
    return SerialExecutor(places) if num_workers == 1 else PoolExecutor(places, num_workers)


class SerialExecutor(Executor):
    """One run after the other, in this process."""

    def __init__(self, places: Places) -> None:
        self.num_workers = 1
        self._places, self._waiting = places, deque[StudyRun]()

    def start(self, run: StudyRun) -> None:
        """Take a run."""
        self._waiting.append(run)

    def next_result(self) -> RunResult:
        """Do the next run."""
        return perform(self._waiting.popleft(), self._places)

    def close(self) -> None:
        """Give up what has not begun."""
        self._waiting.clear()


class PoolExecutor(Executor):
    """Several runs at a time on this machine: on CPUs each on its share of the cores, on GPUs each on one device.

    Args:
        places: Where to work.
        num_workers: Runs at a time; more than there are GPUs share them.
    """

    def __init__(self, places: Places, num_workers: int) -> None:
        _leave_import_of_script()
        self.num_workers = num_workers
        self._context = context = get_context("spawn")
        numbers = context.Queue()
        for number in range(num_workers):
            numbers.put(number)
        self._pool = ProcessPoolExecutor(num_workers, context, _enter_pool, (num_workers, numbers))
        self._places, self._waiting, self._futures = places, deque[StudyRun](), set[Future[RunResult]]()

    def start(self, run: StudyRun) -> None:
        """Take a run."""
        self._waiting.append(run)

    def next_result(self) -> RunResult:
        """Wait for a result."""
        try:
            # No more than there are workers: what a pool has taken ahead, it would still do after an interrupt.
            while self._waiting and len(self._futures) < self.num_workers:
                self._futures.add(self._pool.submit(_perform_in_pool, self._waiting.popleft(), self._places))
            done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
            future = done.pop()
            self._futures.remove(future)
            return future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(self._why_workers_die()) from error

    def _why_workers_die(self) -> str:
        """Start a process that does nothing, to see whether it comes past the import of the calling script."""
        process = self._context.Process(target=int)
        process.start()
        process.join()
        if process.exitcode == _UNGUARDED:
            return (
                "worker processes import the script that they were started from, and this one calls compare() while "
                'it is imported; put the call under `if __name__ == "__main__":`, or choose num_workers=1'
            )
        return (
            f"a worker process died, perhaps of too little memory for {self.num_workers} runs at a time; lower "
            "num_workers (--workers on the command line). The same call goes on"
        )

    def close(self) -> None:
        """Give up what has not begun; what has begun stops at the signal that it got too, or ends."""
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)


class RayExecutor(Executor):
    """Runs on a Ray cluster: the one that RAY_ADDRESS names or that runs here, or a new one on this machine.

    Every run takes one GPU where the cluster has GPUs, else one CPU. Run directories stay on the machine of the run,
    under the same path; results come back and are saved here too.

    Args:
        places: Where to work.
    """

    def __init__(self, places: Places) -> None:
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ValueError(f"--executor ray needs Ray: {_extras.install('ray')}") from error
        self._ray: Any = ray
        ray.init(ignore_reinit_error=True, log_to_driver=False)
        resources = ray.cluster_resources()
        kind = "GPU" if resources.get("GPU", 0) else "CPU"
        self.num_workers = max(1, int(resources.get(kind, 1)))
        self._perform = ray.remote(**{f"num_{kind.lower()}s": 1})(_perform_alone)
        self._places, self._futures = places, list[Any]()

    def start(self, run: StudyRun) -> None:
        """Take a run."""
        self._futures.append(self._perform.remote(run, self._places))

    def next_result(self) -> RunResult:
        """Wait for a result and save it here."""
        done, self._futures = self._ray.wait(self._futures, num_returns=1)
        result = self._ray.get(done[0])
        ResultStore(self._places.results).save(result)
        return result

    def close(self) -> None:
        """Stop what is running; a cluster that was there before stays."""
        for future in self._futures:
            self._ray.cancel(future)
        self._ray.shutdown()


def _perform_alone(run: StudyRun, places: Places) -> RunResult:
    torch.set_num_threads(1)
    return perform(run, places)


def _perform_in_pool(run: StudyRun, places: Places) -> RunResult:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return perform(run, places)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not _has_parent():  # Nobody takes the result, and nobody gives another run.
            os._exit(1)


def _leave_import_of_script() -> None:
    """End a worker process that has come here by importing the script it was started from, instead of starting more.

    Such a script calls `compare` outside of a main guard. Its parent finds out by the exit status.
    """
    if getattr(current_process(), "_inheriting", False):  # As multiprocessing itself tells, in a page of traceback.
        raise SystemExit(_UNGUARDED)


def _end_with_parent() -> None:
    """Stop this worker, a training with a checkpoint, when the study was killed: else it would go on unseen."""
    if (parent := parent_process()) is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _has_parent() -> bool:
    parent = parent_process()
    return parent is None or parent.is_alive()


def _enter_pool(num_workers: int, numbers: Any) -> None:
    """Give a worker process its share of the machine."""
    # An interrupt reaches the whole group: a run stops, its training with a checkpoint, and idle workers say nothing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, usable_cores() // num_workers))
    if num_devices := torch.cuda.device_count():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(num_devices)))
        devices = visible.split(",")
        # CUDA reads it at its first use, which is later than this.
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[numbers.get() % len(devices)]
