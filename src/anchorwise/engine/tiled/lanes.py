"""Work on many tiles at once: one thread a core, each with one intra-op thread.

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


def num_lanes(device: torch.device) -> int:
    """Return how many tiles are visited at once where there are many: one a thread on a CPU, one elsewhere."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def work(
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
    lanes = num_lanes(device) if at_once else 1
    with torch.no_grad(), full_precision(device):
        for tiles in rounds:
            if lanes == 1:
                for tile in tiles:
                    visit(tile)
            else:
                _visit_at_once(tiles, visit, lanes)


def _visit_at_once(tiles: list[Tile], visit: Callable[[Tile], None], lanes: int) -> None:
    inference = torch.is_inference_mode_enabled()

    def visit_alone(tile: Tile) -> None:
        # Modes of gradient belong to a thread.
        with torch.inference_mode(inference), torch.no_grad():
            visit(tile)

    list(_pool(lanes).map(visit_alone, tiles))


def _pool(lanes: int) -> ThreadPoolExecutor:
    if lanes not in _pools:
        _pools[lanes] = ThreadPoolExecutor(lanes, "anchorwise", initializer=torch.set_num_threads, initargs=(1,))
        # What a lane sets for itself is also the default of later threads: start all lanes, then set that back.
        all_started = threading.Barrier(lanes)
        list(_pools[lanes].map(lambda _: all_started.wait(), range(lanes)))
        torch.set_num_threads(lanes)
    return _pools[lanes]
