"""Work on many tiles at once: one worker thread a core, each with one intra-op thread.

Threads of one operation wait for each other after each of hundreds of small operations, which on a busy machine costs
more than they gain; threads of different tiles wait once a round.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch

from anchorwise._precision import full_precision
from anchorwise.engine.tiled.grid import Tile

_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):  # A forked process has no threads but the one that forked.
    os.register_at_fork(after_in_child=_pools.clear)


def num_workers(device: torch.device) -> int:
    """Return how many tiles are visited at once where there are many: one a thread on a CPU, one elsewhere."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def for_each_tile(
    rounds: Iterable[list[Tile]], visit: Callable[[Tile], None], device: torch.device, *, at_once: bool = True
) -> None:
    """Visit all tiles, round by round, without gradient.

    Args:
        rounds: Tiles that may be visited at once.
        visit: Called for every tile.
        device: On a CPU the tiles of a round are visited at once, elsewhere one after the other.
        at_once: Whether they are on a CPU too; not worth it for a few small tiles, for which
            torch's own threads are better.
    """
    workers = num_workers(device) if at_once else 1
    with torch.no_grad(), full_precision(device):
        for tiles in rounds:
            if workers == 1:
                for tile in tiles:
                    visit(tile)
            else:
                _visit_at_once(tiles, visit, workers)


def _visit_at_once(tiles: list[Tile], visit: Callable[[Tile], None], workers: int) -> None:
    inference = torch.is_inference_mode_enabled()

    def visit_alone(tile: Tile) -> None:
        # Modes of gradient belong to a thread.
        with torch.inference_mode(inference), torch.no_grad():
            visit(tile)

    list(_pool(workers).map(visit_alone, tiles))


def _pool(workers: int) -> ThreadPoolExecutor:
    if workers not in _pools:
        _pools[workers] = ThreadPoolExecutor(workers, "anchorwise", initializer=torch.set_num_threads, initargs=(1,))
        # What a worker sets for itself is also the default of later threads: start all of them, then set that back.
        all_started = threading.Barrier(workers)
        list(_pools[workers].map(lambda _: all_started.wait(), range(workers)))
        torch.set_num_threads(workers)
    return _pools[workers]
