"""Processor time of the views of a policy, the library's beside kornia's, and how many tensor operations they are.

    OMP_NUM_THREADS=1 python -m benchmarks.views

Both make the same views of the same images in turn; the ratio of two neighbouring runs cancels what else the machine
does, and medians of time and ratio over the rounds are shown. Operations are those that torch's dispatcher hands to a
device, as a GPU would get them: there each is about one kernel.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anchorwise.modalities.images.views import chosen
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import ViewPlan
from anchorwise.reporting.environment import environment, version
from benchmarks.kornia_views import KorniaViews

PAIR = ViewPlan()
_WITHOUT_WORK = {"prim::device", "aten::_unsafe_view", "aten::empty_like", "aten::empty.memory_format", "aten::detach"}


@dataclass(frozen=True)
class Case:
    """Views of a batch.

    Attributes:
        policy: Its name.
        num_images: Of the batch.
        num_channels: Of an image.
        size_px: Its height and width.
        plan: How many views.
    """

    policy: str
    num_images: int
    num_channels: int
    size_px: int
    plan: ViewPlan = PAIR

    def __str__(self) -> str:
        small = f" + {self.plan.num_small} small" if self.plan.num_small else ""
        return (
            f"{self.policy}, {self.num_images} x {self.num_channels} x {self.size_px} px, {self.plan.num_views}{small}"
        )


CASES = (
    Case("digits", 256, 1, 8),
    Case("cifar", 256, 3, 32),
    Case("cifar", 512, 3, 32),
    Case("stl10", 128, 3, 96),
    Case("imagenet", 16, 3, 224),
    Case("byol", 256, 3, 32),
    Case("swav", 256, 3, 32, ViewPlan(2, 6)),
    Case("dino", 16, 3, 224, ViewPlan(2, 8)),
)


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """Return milliseconds of both, the median ratio, and the operations of a view."""
    size = (case.num_images, case.num_channels, case.size_px, case.size_px)
    images = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    batch, policy = Batch(images, torch.arange(case.num_images)), POLICIES[case.policy]()
    ours = RandomViews(policy, case.num_channels, case.size_px, plan=case.plan)
    kornia = KorniaViews(policy, case.num_channels, (case.size_px, case.size_px), case.plan)
    runs = [(_cpu_s(partial(ours, batch, seed=seed)), _cpu_s(partial(kornia, images))) for seed in range(rounds + 2)][
        2:
    ]
    with as_on_a_gpu():
        operations = num_operations(lambda: ours(batch, seed=0))
    return {
        "case": str(case),
        "ours_ms": round(1e3 * median(one for one, _ in runs), 2),
        "kornia_ms": round(1e3 * median(other for _, other in runs), 2),
        "ratio": round(median(one / other for one, other in runs), 3),
        "operations_per_view": round(operations / case.plan.total, 1),
        "kornia_operations_per_view": round(num_operations(lambda: kornia(images)) / case.plan.total, 1),
    }


def num_operations(work: Callable[[], object]) -> int:
    """Return how many operations a piece of work runs that compute, not only look at memory in another way."""
    with _Counting() as counting:
        work()
    return counting.count


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Run the operations that a GPU would: nothing is read on the host."""
    kept = chosen.HOST_DEVICES
    chosen.HOST_DEVICES = ()
    try:
        yield
    finally:
        chosen.HOST_DEVICES = kept


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        is_view = (
            func.is_view or func.namespace == "prim" or func.name().endswith(("_unsafe_view", "::detach", "::alias"))
        )
        self.count += not is_view and "empty" not in func.name()
        return result


def _cpu_s(work: Callable[[], object]) -> float:
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


def main() -> None:
    """Measure every case and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    rows = [measured(case, asked.rounds) for case in CASES if asked.only in str(case)]
    if asked.json:
        print(
            json.dumps(
                {
                    "environment": {**environment(), "kornia": version("kornia")},
                    "threads": torch.get_num_threads(),
                    "cases": rows,
                },
                indent=2,
            )
        )
        return
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in columns) + " |")


if __name__ == "__main__":
    main()
