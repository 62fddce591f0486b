"""Processes of their own for tests, forked from one that has torch and this package imported: none imports them again.

They know nothing of the shape checks of the test run, which wrap every function and which no compiler can trace.
"""

import multiprocessing
import multiprocessing.connection
import socket
import traceback
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

import torch

FRESH = multiprocessing.get_context("spawn")
"""Of processes that have imported nothing that they do not import themselves; each takes seconds to start."""
_CONTEXT = multiprocessing.get_context("forkserver")
# The last four are what a training imports only when it comes to them: four seconds of a core in every process.
_CONTEXT.set_forkserver_preload(
    [
        "anchorwise.cli.app",
        "anchorwise.comparison",
        "anchorwise.modalities.images.modality",
        "sklearn.datasets",
        "tensorboard.summary",
        "torch._dynamo",
    ]
)
TIMEOUT_S = 300


def start(
    function: Callable[..., object], *arguments: Any, context: BaseContext = _CONTEXT
) -> multiprocessing.process.BaseProcess:
    """Call the function in a process that the caller ends."""
    process = context.Process(target=_on_one_core, args=(function, *arguments), daemon=True)
    process.start()
    return process


def _on_one_core(function: Callable[..., object], *arguments: Any) -> None:
    torch.set_num_threads(1)
    function(*arguments)


def side_by_side(
    function: Callable[..., object], calls: Iterable[tuple[Any, ...]], context: BaseContext = _CONTEXT
) -> None:
    """Call the function with each of the arguments, in as many processes; fail with what the first raises."""
    processes, readers = [], []
    for arguments in calls:
        reader, writer = context.Pipe(duplex=False)
        processes.append(start(_tell, writer, function, arguments, context=context))
        readers.append(reader)
        writer.close()
    try:
        for _ in processes:
            ended = multiprocessing.connection.wait(readers, TIMEOUT_S)
            assert ended, f"no process ended within {TIMEOUT_S} s"
            readers.remove(ended[0])
            _assert_well(ended[0])
        for process in processes:
            process.join(TIMEOUT_S)
        assert [process.exitcode for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()


def of_torchrun(world_size: int) -> list[dict[str, str]]:
    """Return the environment variables by which torchrun tells each rank of one machine who it is."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    same = {"WORLD_SIZE": str(world_size), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    return [{**same, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world_size)]


def _tell(writer: Connection, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        function(*arguments)
    except BaseException:
        writer.send(traceback.format_exc())
        raise
    writer.send("")


def _assert_well(reader: Connection) -> None:
    try:
        failure = reader.recv()
    except EOFError:
        failure = "a process died without a word"
    assert not failure, failure
