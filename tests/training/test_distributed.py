import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import sys
from pathlib import Path
import torch
from torch.nn.parallel import DistributedDataParallel
from anchorwise.training.distributed import ranks

with ranks("cpu") as here:
    network = DistributedDataParallel(torch.nn.Linear(2, 2))
    network(torch.ones(3, 2)).sum().backward()
    del network
    rank = here.rank
names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
left = [name for name in names if "gloo" in name]
Path(sys.argv[1], f"rank_{rank}").write_text(" ".join(left))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not list a process's threads")
def test_nothing_of_the_group_outlives_it(tmp_path: Path):
    # Threads of a group that outlive it now and then abort the process at its end.
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, str(worker), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"rank_{rank}").read_text() for rank in range(2)] == ["", ""]
