"""Time and memory of the engine beside what people use: forward and backward of a loss on embeddings that are there.

    python benchmarks/engine.py --minutes 15 --than ../other/src

Every case runs in a process of its own; the cases of one size follow each other, and the whole is repeated, so that a
busy moment does not fall on one of them alone. Run it with the Python of `make parity`, or the peers are left out. What
another version of the package takes, whose folder `--than` names, is measured right after this one's.
Writes `benchmarks/results/engine_<hardware>_<date>.json`, and the report and the figure of the README beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from engine_cases import CASES
from engine_report import BEFORE, write_report

RESULTS = Path(__file__).parent / "results"
PEERS = ("lightly", "open_clip", "sentence-transformers", "pytorch-metric-learning")
OURS = ("tiled InfoNCE", "tiled WEINCE, likelihood", "tiled WEINCE, published")
PACKAGES = ("torch", "numpy", "lightly", "open-clip-torch", "sentence-transformers", "pytorch-metric-learning")
# What glibc reads: memory once taken is kept, and no page is fetched from the system twice.
TUNED_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "17179869184", "MALLOC_TRIM_THRESHOLD_": "17179869184"}

Case = tuple[str, int, int]


def cases() -> list[Case]:
    """Return name, rows and width of every case, size by size."""
    found: list[Case] = []
    for rows, dims in ((512, (64, 128, 512)), (2048, (64, 128, 512)), (8192, (64, 128, 512)), (32768, (128,))):
        for dim in dims:
            found += [(name, rows, dim) for name in _names(rows, dim)]
    return [*found, ("tiled InfoNCE", 131072, 128)]


def _names(rows: int, dim: int) -> list[str]:
    if rows > 8192:
        # Others would need 12 GiB and more for one step; what they need at 8192 rows grows with the square.
        return [*OURS]
    if dim != 128:
        return ["plain", *OURS]
    peers = [name for name in PEERS if name != "pytorch-metric-learning" or rows <= 512]
    return ["plain", "plain, tuned allocator", "naive WEINCE", *peers, *OURS]


def run(case: Case, threads: int | None, seconds: float, source: str | None = None) -> dict[str, Any]:
    """Run one case, of the package in another folder if there is one; a process that fails says so in the result."""
    name, rows, dim = case
    tuned = name == "plain, tuned allocator"
    command = [sys.executable, str(Path(__file__).parent / "engine_cases.py"), "plain" if tuned else name]
    command += [str(rows), str(dim), "--seconds", str(seconds)]
    command += [] if threads is None else ["--threads", str(threads)]
    environment = {**os.environ, **(TUNED_ALLOCATOR if tuned else {}), **({"PYTHONPATH": source} if source else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    outcome = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip().splitlines()[-1:]}
    name += BEFORE if source else ""
    return {"name": name, "rows": rows, "dim": dim, "threads": threads, **outcome}


def matmul_gflops(threads: int) -> float:
    """Return what torch's float32 matrix product reaches here: the median of ten products of 2048-square matrices."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    left, right = torch.randn(2, 2048, 2048)
    spent = []
    for _ in range(11):
        start = time.perf_counter()
        torch.mm(left, right)
        spent.append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return 2 * 2048**3 / statistics.median(spent[1:]) / 1e9


def main() -> None:
    """Measure all cases, as often as the time allows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=15.0, help="start no further round after so long")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one case in one round")
    parser.add_argument("--hardware", default=f"{os.cpu_count()}-core", help="for the names of the files")
    parser.add_argument("--than", help="folder with the package of another version, measured beside")
    parser.add_argument("--than-name", default="the version before", help="what the report calls it")
    arguments = parser.parse_args()
    started, runs = time.monotonic(), []
    threads = torch.get_num_threads()
    rates = {"default": matmul_gflops(threads), "1": matmul_gflops(1)}
    installed = [name for name in CASES if name not in PEERS or _is_installed(name)]
    while not runs or time.monotonic() - started < 60 * arguments.minutes:
        for case in cases():
            if case[0] in (*installed, "plain, tuned allocator"):
                for count in (None, 1) if case[1] <= 8192 else (None,):
                    runs.append(run(case, count, arguments.seconds))
                    print(runs[-1], flush=True)
                    if arguments.than and case[0] in OURS:
                        runs.append(run(case, count, arguments.seconds, arguments.than))
                        print(runs[-1], flush=True)
    name = f"engine_{arguments.hardware}_{datetime.now(UTC):%Y-%m-%d}"
    result = {"threads": threads, "matmul_gflops": rates, "packages": PACKAGES, "runs": runs}
    result |= {"before": arguments.than_name} if arguments.than else {}
    write_report(RESULTS / name, result)


def _is_installed(peer: str) -> bool:
    probe = f"import engine_cases, warnings; warnings.simplefilter('ignore'); engine_cases.CASES[{peer!r}]()"
    done = subprocess.run([sys.executable, "-c", probe], cwd=Path(__file__).parent, capture_output=True, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    main()
