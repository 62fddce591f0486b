import os
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from anchorwise.training.distributed import ranks
from tests import processes


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
    processes.side_by_side(_train_and_leave, [(variables, tmp_path) for variables in processes.of_torchrun(2)])
    assert [(tmp_path / rank).read_text() for rank in ("0", "1")] == ["", ""]
