"""Memory and time of contrasting all users and all items of a graph, with scores that are stored and that are not.

    python -m benchmarks.all_nodes --out all-nodes.json

One step of the contrast of XSimGCL with method.among=all: `cross_view` in one direction over users, then over items, of
width 64, and its gradient; each case in a process of its own. The peak is that of the process above what it had before
the step. Stored: `torch.nn.functional.cross_entropy` of the matrix of cosines.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from anchorwise import CrossViewInfoNCE
from anchorwise.reporting.environment import environment

SIZES = {"lastfm": (1878, 4476), "gowalla": (29_858, 40_981)}
WIDTH, TEMPERATURE = 64, 0.15


def stored(view0: Tensor, view1: Tensor) -> Tensor:
    """Return the loss of a matrix of scores in memory."""
    scores = normalize(view0) @ normalize(view1).T / TEMPERATURE
    return cross_entropy(scores, torch.arange(len(scores)))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "not stored": CrossViewInfoNCE(temperature=TEMPERATURE, both_directions=False),
    "stored": stored,
}


def measure(name: str, way: str, out: "multiprocessing.Queue[dict[str, float]]") -> None:
    """Take one step and say what it took."""
    torch.manual_seed(0)
    views = [torch.randn(size, WIDTH, requires_grad=True) for size in SIZES[name] for _ in range(2)]
    small = [view[:512] for view in views]
    _loss(way, small).backward()  # What is loaded at the first call.
    before, start, cpu = _peak_mib(), time.perf_counter(), time.process_time()
    loss = _loss(way, views)
    loss.backward()
    taken = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    out.put({**taken, "peak_mib": _peak_mib() - before, "loss": loss.item()})


def _loss(way: str, views: list[torch.Tensor]) -> torch.Tensor:
    return LOSSES[way](*views[:2]) + LOSSES[way](*views[2:])


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", action="append", choices=list(SIZES))
    parser.add_argument("--way", action="append", choices=list(LOSSES))
    asked = parser.parse_args()
    context, found = multiprocessing.get_context("spawn"), dict[str, dict[str, float]]()
    for name in asked.size or SIZES:
        for way in asked.way or LOSSES:
            queue = context.Queue()
            process = context.Process(target=measure, args=(name, way, queue))
            process.start()
            process.join()
            case = {} if process.exitcode else queue.get()
            found[f"{name}, {way}"] = {key: round(value, 4) for key, value in case.items()}
            print(name, way, found[f"{name}, {way}"] or "did not end", flush=True)
    facts = {"threads": torch.get_num_threads(), "machine": environment(), "cases": found}
    asked.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
