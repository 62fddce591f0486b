"""The engine on a GPU beside what people use: time and extra memory of a loss, forward and backward.

    python benchmarks/engine_gpu.py --kernels-by-default

All cases of a size take turns in one process, so that a slow moment does not fall on one of them alone; the largest
sizes come last. After every size the page and its numbers are written anew: `benchmarks/results/engine_CARD_DATE.md`
says what was asked for and what was measured, whenever the program is stopped. Without a GPU it runs on the CPU, which
tries the program out: `--rows 64` is then the largest size.
"""

import argparse
import functools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from engine_gpu_cases import ALL_CASES, Case, Loss
from engine_gpu_report import page_path, write_page
from torch import Tensor

from anchorwise.engine.triton import backend as triton_backend
from anchorwise.reporting.environment import environment

SIZES = ((512, 128), (2048, 128), (8192, 128), (32768, 128), (65536, 128), (65536, 512))
ON_GPU = torch.cuda.is_available()
NUM_REPLAYS = 10  # One replay of a small loss is shorter than waiting for it.


def _views(num_rows: int, dim: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(num_rows // 2, dim, generator=generator)
    noisy = [image + torch.randn(image.shape, generator=generator) for _ in range(2)]
    return [view.to("cuda" if ON_GPU else "cpu").requires_grad_() for view in noisy]


def _step(loss: Loss, views: list[Tensor]) -> None:
    loss(*views).backward()
    for view in views:
        view.grad = None


def _replayed(loss: Loss, views: list[Tensor]) -> Callable[[], None]:
    """Capture a step in a CUDA graph and return its replay, several times."""
    if not ON_GPU:
        raise RuntimeError("no CUDA device")
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(3):
            _step(loss, views)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.autograd.grad(loss(*views), views)

    def replay() -> None:
        for _ in range(NUM_REPLAYS):
            graph.replay()

    return replay


def _timed_ms(step: Callable[[], object]) -> float:
    """Return the time of a step on the device, launches included."""
    if ON_GPU:
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if ON_GPU:
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start)


def _peak_mib(step: Callable[[], None]) -> float:
    if not ON_GPU:
        return step() or 0.0
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _prepared(case: Case, views: list[Tensor]) -> tuple[Callable[[], None], float]:
    """Return a step of a case, compiled and with its caches full, and the memory that it takes."""
    loss = case.make()
    eager = functools.partial(_step, loss, views)
    eager()
    if case.captured:
        return _replayed(loss, views), 0.0
    eager()
    return eager, _peak_mib(eager)


def measured(num_rows: int, dim: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield, of every case of a size, the median time, the number of steps and the memory; or why it is left out.

    Args:
        num_rows: Of both views.
        dim: Their width.
        seconds: For the timed steps of a case; a case whose step takes longer is timed once.
    """
    views, steps = _views(num_rows, dim), dict[str, Callable[[], None]]()
    runs: dict[str, dict[str, Any]] = {}
    for case in ALL_CASES:
        if not case.least <= num_rows <= case.most:
            continue
        run = runs[case.name] = {"rows": num_rows, "dim": dim, "name": case.name, "times": []}
        try:
            steps[case.name], run["extra_mib"] = _prepared(case, views)
        except Exception as error:  # Of other people's libraries: said in the page.
            run["error"] = f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
            print(f"{case.name} at {num_rows} x {dim} is left out: {run['error']}", flush=True)
    captured = {case.name for case in ALL_CASES if case.captured}
    for _ in range(3):  # In turns, a third of the time each.
        for name, step in steps.items():
            spent, count = runs[name]["times"], NUM_REPLAYS if name in captured else 1
            started = time.monotonic()
            while not spent or (time.monotonic() - started < seconds / 3 and sum(spent) < 1e3 * seconds):
                spent.append(_timed_ms(step) / count)
    for run in runs.values():
        spent = run.pop("times")
        yield run | ({"ms": statistics.median(spent), "steps": len(spent)} if spent else {})


def matmul_tflops(dtype: torch.dtype, *, precision: str = "highest") -> float:
    """Return what torch's matrix product reaches here: the median of ten products of 8192-square matrices."""
    size = 8192 if ON_GPU else 256
    torch.set_float32_matmul_precision(precision)
    left, right = torch.randn(2, size, size, device="cuda" if ON_GPU else "cpu", dtype=dtype)
    spent = [_timed_ms(lambda: torch.mm(left, right)) for _ in range(12)]
    torch.set_float32_matmul_precision("highest")
    return 2 * size**3 / statistics.median(spent[2:]) / 1e9


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="of the timed steps of every case")
    parser.add_argument("--rows", type=int, default=65536, help="the largest size that is measured")
    parser.add_argument("--page", type=Path, default=None, help="where to write, in place of benchmarks/results")
    parser.add_argument("--kernels-by-default", action="store_true", help='whatever "auto" chooses now')
    arguments = parser.parse_args()
    triton_backend.HAS_RUN_ON_A_GPU |= arguments.kernels_by_default
    warnings.simplefilter("ignore")
    rates = {
        "float32": matmul_tflops(torch.float32),
        "TensorFloat-32": matmul_tflops(torch.float32, precision="high"),
        "float16": matmul_tflops(torch.float16),
        "bfloat16": matmul_tflops(torch.bfloat16),
    }
    result: dict[str, Any] = {"environment": environment(), "matmul_tflops": rates, "runs": []}
    page = arguments.page or page_path(result["environment"])
    sizes = [size for size in SIZES if size[0] <= arguments.rows] or [(arguments.rows, 16)]
    for size in sizes:
        started = time.monotonic()
        result["runs"] += measured(*size, arguments.seconds)
        print(f"{size[0]} x {size[1]}: {time.monotonic() - started:.0f} s", flush=True)
        print(write_page(page, result), flush=True)


if __name__ == "__main__":
    main()
