"""What the steps of a tile cost on one thread: nanoseconds per score, the floor that a tiled loss stands on.

python benchmarks/engine_primitives.py
"""

import time
from collections.abc import Callable

import numpy as np
import torch

SIZE, DIMS = 512, (128, 512)


def nanoseconds(step: Callable[[], object]) -> float:
    """Return the least nanoseconds per score of process time over seven rounds."""
    best = float("inf")
    for _ in range(7):
        start = time.process_time()
        for _ in range(30):
            step()
        best = min(best, (time.process_time() - start) / 30)
    return best * 1e9 / SIZE**2


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    scores, out = torch.rand(SIZE, SIZE) * 2 - 1, torch.empty(SIZE, SIZE)
    shortfalls, row, column = (1 - scores).clamp_min(1e-6), torch.rand(SIZE, 1), torch.rand(1, SIZE)
    steps: dict[str, Callable[[], object]] = {}
    for dim in DIMS:
        left, right = torch.randn(2, SIZE, dim)
        steps[f"scores, width {dim}"] = lambda left=left, right=right: torch.mm(left, right.T, out=out)
        steps[f"gradient of a block, width {dim}"] = lambda left=left, right=right: left.addmm_(scores, right)
        steps[f"gradient of its mirror, width {dim}"] = lambda left=left, right=right: right.addmm_(scores.T, left)
    steps["exp, torch"] = lambda: torch.exp(scores, out=out)
    steps["exp2, torch"] = lambda: torch.exp2(scores, out=out)
    steps["log, torch"] = lambda: torch.log(shortfalls, out=out)
    steps["log, numpy"] = lambda: np.log(shortfalls.numpy(), out=out.numpy())
    steps["times a row's number"] = lambda: torch.mul(scores, row, out=out)
    steps["sum of a row's and a column's number"] = lambda: torch.add(row, column, out=out)
    steps["plus a product of two tiles"] = lambda: out.addcmul_(scores, shortfalls)
    steps["comparison with a row's number"] = lambda: torch.lt(scores, row, out=out)
    steps["largest of a row"] = lambda: scores.amax(dim=1)
    steps["sum of a row"] = lambda: scores.sum(dim=1)
    steps["topk of a tenth"] = lambda: scores.topk(SIZE // 10, dim=1)
    for name, step in steps.items():
        print(f"| {name} | {nanoseconds(step):.2f} |")


if __name__ == "__main__":
    main()
