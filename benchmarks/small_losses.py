"""What a loss of a small batch takes: operations, each of which is a launch on a GPU, and CPU seconds.

    OMP_NUM_THREADS=1 python benchmarks/small_losses.py --hardware 2-core-epyc --than ../other/src

Losses of 32 to 2,048 rows of width 128, forward and backward, with the backend that is the default on a CPU (dense at
256 rows), and with the dense one, which is the default on a GPU at these sizes. At 32 rows there is nothing to compute:
what is left is what a call costs the host, of which a small loss on a GPU is made. Both versions run in turn, each in
processes of its own, and what is reported is the median of the ratios of their CPU seconds. Operations are those of the
dense backend on the meta device, whose tensors go where those of a GPU do. Writes
`benchmarks/results/small-losses_HARDWARE_DATE.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from anchorwise import CLIP, DCL, WEINCE, InfoNCE, Weibit, _files
from anchorwise.engine import use_backend

RESULTS = Path(__file__).parent / "results"
# They compute nothing.
DESCRIBING = {
    *("alias", "as_strided", "detach", "diagonal", "empty_like", "expand", "new_empty", "new_empty_strided", "permute"),
    *("_reshape_alias", "select", "slice", "split", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"),
    *("_unsafe_view", "split_with_sizes"),
}


def plain(view0: Tensor, view1: Tensor) -> Tensor:
    """Return NT-Xent in three lines."""
    units, number = torch.nn.functional.normalize(torch.cat([view0, view1]), dim=1), len(view0)
    logits = (units @ units.T / 0.5).fill_diagonal_(-torch.inf)
    target = torch.arange(2 * number, device=view0.device).roll(number)
    return torch.nn.functional.cross_entropy(logits, target)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plain": plain,
    "InfoNCE": InfoNCE(),
    "DCL": DCL(),
    "CLIP": CLIP(),
    "Weibit": Weibit(),
    "WEINCE, likelihood": WEINCE(),
    "WEINCE, published": WEINCE(gate="published", exponent="unit"),
}
CASES = [(32, "dense"), (256, "auto"), (512, "auto"), (512, "dense"), (2048, "dense")]


class Counted(TorchDispatchMode):
    """The number of operations that compute something."""

    number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Count one."""
        self.number += func._schema.name.partition("::")[2] not in DESCRIBING
        return func(*args, **(kwargs or {}))


def operations(loss: Callable[[Tensor, Tensor], Tensor]) -> int:
    """Return how many operations a loss of 512 rows takes, forward and backward."""
    views = [torch.empty(256, 128, device="meta", requires_grad=True) for _ in range(2)]
    # Autocast does not know the meta device.
    without_autocast = patch.object(torch, "autocast", lambda *given, **named: nullcontext())
    with without_autocast, use_backend("dense"), Counted() as counted:
        loss(*views).backward()
    return counted.number


def cpu_seconds(loss: Callable[[Tensor, Tensor], Tensor], num_rows: int, backend: str) -> float:
    """Return the median of several calls, after two that are not counted."""
    generator, times = torch.Generator().manual_seed(0), []
    views = [torch.randn(num_rows // 2, 128, generator=generator).requires_grad_() for _ in range(2)]
    for _ in range({32: 302, 2048: 6}.get(num_rows, 22)):
        before = time.thread_time()
        with use_backend(backend):
            loss(*views).backward()
        times.append(time.thread_time() - before)
    return statistics.median(times[2:])


def measured() -> dict[str, float]:
    """Return operations and CPU seconds of every loss, by name."""
    found: dict[str, float] = {f"{name}: operations": operations(loss) for name, loss in LOSSES.items()}
    for num_rows, backend in CASES:
        for name, loss in LOSSES.items():
            found[f"{name}: {num_rows}, {backend}"] = cpu_seconds(loss, num_rows, backend)
    return found


def in_a_process(source: str | None) -> dict[str, float]:
    """Return what a process finds that imports the package from there; None is where this one does."""
    environment = os.environ if source is None else {**os.environ, "PYTHONPATH": source}
    command = [sys.executable, __file__, "--measure"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def page(hardware: str, date: str, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> str:
    """Return the results as Markdown."""
    new, other = pairs[0]
    lines = [
        f"# Losses of small batches ({hardware}, {date})",
        "",
        f"Written by `benchmarks/small_losses.py`. Two versions in turn, {len(pairs)} pairs of processes of one",
        "thread; ratios are medians over the pairs, with the lowest and the highest, of CPU seconds of a forward and",
        "backward pass (below 1: this version is faster). Operations are those of the dense backend where a GPU's",
        "tensors go, at 512 rows. Nothing here ran on a GPU.",
        "",
        "| loss | operations | before | a call on the host, of plain's | before | "
        + " | ".join(f"{rows} rows, {backend}" for rows, backend in CASES)
        + " |",
        "|---|---|---|---|---|" + "---|" * len(CASES),
    ]
    for name in LOSSES:
        cells = [name, *(f"{each[f'{name}: operations']:.0f}" for each in (new, other))]
        cells += (f"{_of_plain(name, [pair[which] for pair in pairs]):.2f}" for which in (0, 1))
        for rows, backend in CASES:
            key = f"{name}: {rows}, {backend}"
            ratios = [this[key] / that[key] for this, that in pairs]
            milliseconds = 1e3 * statistics.median(this[key] for this, _ in pairs)
            cells.append(
                f"{milliseconds:.3g} ms, {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _of_plain(name: str, results: list[dict[str, float]]) -> float:
    """Return the CPU seconds of a call of 32 rows over those of the plain formula, in the same process."""
    return statistics.median(each[f"{name}: 32, dense"] / each["plain: 32, dense"] for each in results)


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware")
    parser.add_argument("--than", help="the folder with the other version's package")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help="print what this version takes, as JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured()))
        return
    if not (arguments.hardware and arguments.than):
        parser.error("--hardware and --than are needed for a page")
    pairs = [(in_a_process(None), in_a_process(arguments.than)) for _ in range(arguments.pairs)]
    date = datetime.now(UTC).date().isoformat()
    path = RESULTS / f"small-losses_{arguments.hardware}_{date}.md"
    _files.write_text(path, page(arguments.hardware, date, pairs))


if __name__ == "__main__":
    main()
