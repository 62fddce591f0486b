"""The engine on a GPU beside what people use: time and extra memory of a loss, forward and backward.

    python benchmarks/engine_gpu.py --seconds 60

All cases take turns in one process, size by size, so that a slow moment does not fall on one of them alone; peers that
are not installed are left out. Prints a table as Markdown, and writes every number to the file of `--json`.
"""

import argparse
import functools
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from engine_cases import CASES, TEMPERATURE
from torch import Tensor

import anchorwise
from anchorwise.engine import Backend, Dense, Tiled, use_backend
from anchorwise.reporting.environment import environment

SIZES = ((512, 128), (2048, 128), (8192, 128), (32768, 128), (131072, 128))
# So many scores in float32 are 4 GiB; a loss that stores them holds several such matrices.
MAX_STORED = 32768**2
Loss = Callable[[Tensor, Tensor], Tensor]


def _with(backend: Callable[[], Backend], objective: anchorwise.Objective) -> Callable[[], Loss]:
    def make() -> Loss:
        chosen = backend()

        def loss(view0: Tensor, view1: Tensor) -> Tensor:
            with use_backend(chosen):
                return objective(view0, view1)

        return loss

    return make


def _triton(products: str) -> Callable[[], Backend]:
    def make() -> Backend:
        from anchorwise.engine import Triton

        return Triton(products)

    return make


def _compiled_plain() -> Loss:
    return torch.compile(CASES["plain"](), dynamic=False)


INFO_NCE, WEINCE = anchorwise.InfoNCE(temperature=TEMPERATURE), anchorwise.WEINCE(temperature=TEMPERATURE)
PUBLISHED = anchorwise.WEINCE(temperature=TEMPERATURE, gate="published", exponent="unit")
STORING: dict[str, Callable[[], Loss]] = {
    "plain": CASES["plain"],
    "plain, compiled": _compiled_plain,
    "lightly": CASES["lightly"],
    "open_clip": CASES["open_clip"],
    "naive WEINCE": CASES["naive WEINCE"],
    "dense InfoNCE": _with(Dense, INFO_NCE),
    "dense WEINCE": _with(Dense, WEINCE),
}
TILED: dict[str, Callable[[], Loss]] = {
    "tiled InfoNCE": _with(Tiled, INFO_NCE),
    "tiled WEINCE": _with(Tiled, WEINCE),
    "tiled WEINCE, published": _with(Tiled, PUBLISHED),
    **{
        f"Triton {name}, {products}": _with(_triton(products), objective)
        for name, objective in (("InfoNCE", INFO_NCE), ("WEINCE", WEINCE))
        for products in ("float32", "bfloat16")
    },
}


def _views(num_rows: int, dim: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(num_rows // 2, dim, generator=generator)
    noisy = [image + torch.randn(image.shape, generator=generator) for _ in range(2)]
    return [view.cuda().requires_grad_() for view in noisy]


def _step(loss: Loss, views: list[Tensor]) -> None:
    loss(*views).backward()
    for view in views:
        view.grad = None


def _timed_ms(step: Callable[[], object]) -> float:
    """Return the time of a step on the device, launches included."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def _peak_mib(step: Callable[[], None]) -> float:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def measured(num_rows: int, dim: int, seconds: float) -> list[dict[str, Any]]:
    """Return the median time, the number of steps and the peak memory above the embeddings of every case."""
    views, steps = _views(num_rows, dim), dict[str, Callable[[], None]]()
    for name, make in {**(STORING if num_rows**2 <= MAX_STORED else {}), **TILED}.items():
        try:
            step = functools.partial(_step, make(), views)
            step()  # Compiles and fills caches.
            step()
        except (ImportError, MemoryError, torch.OutOfMemoryError) as error:
            print(f"{name} at {num_rows} x {dim} is left out: {type(error).__name__}", flush=True)
            continue
        steps[name] = step
    peaks = {name: _peak_mib(step) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    started = time.monotonic()
    while time.monotonic() - started < seconds or not all(times.values()):
        for name, step in steps.items():
            times[name].append(_timed_ms(step))
    return [
        {
            "rows": num_rows,
            "dim": dim,
            "name": name,
            "ms": statistics.median(spent),
            "steps": len(spent),
            "extra_mib": peaks[name],
        }
        for name, spent in times.items()
    ]


def matmul_tflops(dtype: torch.dtype, *, precision: str = "highest") -> float:
    """Return what torch's matrix product reaches here: the median of ten products of 8192-square matrices."""
    torch.set_float32_matmul_precision(precision)
    left, right = torch.randn(2, 8192, 8192, device="cuda", dtype=dtype)
    spent = [_timed_ms(lambda: torch.mm(left, right)) for _ in range(12)]
    torch.set_float32_matmul_precision("highest")
    return 2 * 8192**3 / statistics.median(spent[2:]) / 1e9


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all timed steps together, about")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rates = {
        "float32": matmul_tflops(torch.float32),
        "TensorFloat-32": matmul_tflops(torch.float32, precision="high"),
        "bfloat16": matmul_tflops(torch.bfloat16),
    }
    result: dict[str, Any] = {"environment": environment(), "matmul_tflops": rates, "runs": []}
    print(json.dumps({**result["environment"], "matmul_tflops": rates}, indent=1))
    print("| rows | width | loss | ms | MiB |\n|---|---|---|---|---|", flush=True)
    for size in SIZES:
        for run in measured(*size, arguments.seconds / len(SIZES)):
            result["runs"].append(run)
            print(
                f"| {run['rows']} | {run['dim']} | {run['name']} | {run['ms']:.2f} | {run['extra_mib']:.0f} |",
                flush=True,
            )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
