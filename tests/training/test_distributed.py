import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from anchorwise.methods.beclr import BECLR
from anchorwise.methods.outlook import AllRows, Clock
from anchorwise.models.clustered_memory import ClusteredMemory
from anchorwise.models.clustering import Clustering
from anchorwise.training import RunDirectory, loop, pretrain
from anchorwise.training.distributed import Ranks, ranks
from anchorwise.training.state import RunState
from tests import processes
from tests.methods.training import method_of
from tests.training.conftest import tiny_run

pytestmark = pytest.mark.whole


def _train_and_leave(variables: dict[str, str], folder: Path) -> None:
    assert "torch._dynamo" not in sys.modules  # What DistributedDataParallel imports, it has to import in the group.
    os.environ |= variables
    with ranks("cpu"):
        network = DistributedDataParallel(torch.nn.Linear(2, 2))
        network(torch.ones(3, 2)).sum().backward()
        del network
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    (folder / variables["RANK"]).write_text(" ".join(name for name in names if "gloo" in name))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list a process's threads")
def test_nothing_of_the_group_outlives_it(tmp_path: Path):
    # Threads of a group that outlive it now and then abort the process at its end.
    calls = [(variables, tmp_path) for variables in processes.of_torchrun(2)]
    processes.side_by_side(_train_and_leave, calls, processes.FRESH)
    assert [(tmp_path / rank).read_text() for rank in ("0", "1")] == ["", ""]


def _agree(variables: dict[str, str], folder: Path) -> None:
    """Write what one of two ranks is told."""
    os.environ |= variables
    with ranks("cpu") as here:
        told = {"decided": here.from_first(lambda: f"by rank {here.rank}"), **_disagreements(here)}
    (folder / variables["RANK"]).write_text(json.dumps(told))


def _disagreements(here: Ranks) -> dict[str, str]:
    def fail_on_the_second() -> None:
        if here.rank == 1:
            raise FileNotFoundError("no images here")

    seen = {}
    for name, work in (
        ("failed", lambda: here.together(fail_on_the_second)),
        ("unlike", lambda: here.refuse_unlike("the images", here.rank)),
    ):
        try:
            work()
        except (ValueError, OSError) as error:
            seen[name] = f"{type(error).__name__}: {error}"
    return seen


def _pretrain(variables: dict[str, str], folder: Path, last_step: int | None) -> None:
    """Pretrain on a disk of this rank's own, get a signal in that step, and write which steps were taken."""
    os.environ |= variables
    steps, real_step = [], loop.train_step

    def step(state: RunState, *given):
        steps.append(state.step)
        if state.step == last_step:
            os.kill(os.getpid(), signal.SIGINT)
        return real_step(state, *given)

    loop.train_step = step
    disk = folder / f"disk{variables['RANK']}"
    with suppress(KeyboardInterrupt):
        pretrain(tiny_run(["train.num_epochs=2"]), disk, show_progress=False)
    (folder / variables["RANK"]).write_text(json.dumps({"steps": steps, "is_done": RunDirectory(disk).is_done}))


def _written(function: Callable[..., None], folder: Path, *given: object) -> list[dict[str, Any]]:
    processes.side_by_side(function, [(variables, folder, *given) for variables in processes.of_torchrun(2)])
    return [json.loads((folder / str(rank)).read_text()) for rank in range(2)]


def test_the_first_rank_decides_and_what_fails_on_one_is_raised_on_all(tmp_path: Path):
    told = _written(_agree, tmp_path)
    assert [rank["decided"] for rank in told] == ["by rank 0", "by rank 0"]
    assert told[0]["failed"] == "ValueError: rank 1 cannot go on: FileNotFoundError: no images here"
    assert told[1]["failed"] == "FileNotFoundError: no images here"
    words = "ValueError: the images must be the same on every rank; rank 1 has others than rank 0"
    assert [rank["unlike"] for rank in told] == [words, words]


def test_a_stopped_run_goes_on_at_one_step_on_machines_without_a_shared_disk(tmp_path: Path):
    stopped = _written(_pretrain, tmp_path, 5)
    assert stopped == 2 * [{"steps": list(range(6)), "is_done": False}]
    resumed = _written(_pretrain, tmp_path, None)
    assert [rank["steps"] for rank in resumed] == [[6, 7], [6, 7]]
    assert [rank["is_done"] for rank in resumed] == [True, False]


def _cluster(variables: dict[str, str], folder: Path) -> None:
    """Write the clusters of a rank that draws and rounds by itself."""
    os.environ |= variables
    with ranks("cpu") as here:
        rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
        samples = AllRows(len(rows), lambda network: rows, agreed=here.from_first)
        found = {}
        for name in ("pcl", "meow", "beclr"):
            method = method_of(name)
            if isinstance(method, BECLR):
                for memory in method._memories().values():
                    memory.push(rows.chunk(4)[2 * here.rank :][:2], into_clusters=False)
            torch.manual_seed(here.rank)
            method.before_epoch(Clock(step=2, num_steps=4, steps_per_epoch=2), samples)
            kept = [part for part in method.modules() if isinstance(part, Clustering | ClusteredMemory)]
            found |= {f"{name}.{number}": part.state_dict() for number, part in enumerate(kept)}
    torch.save(found, folder / variables["RANK"])


def test_ranks_have_the_clusters_of_the_first(tmp_path: Path):
    processes.side_by_side(_cluster, [(variables, tmp_path) for variables in processes.of_torchrun(2)])
    first, second = (torch.load(tmp_path / rank, weights_only=True) for rank in ("0", "1"))
    assert {name.partition(".")[0] for name in first} == {"pcl", "meow", "beclr"}
    for part, state in first.items():
        assert all(torch.equal(value, second[part][name]) for name, value in state.items()), part
