"""What the adapters promise of several ranks: the loss of all, and gradients whose mean is that of one process."""

from pathlib import Path

import pytest
import torch

from anchorwise import InfoNCE
from tests import processes
from tests.adapters import ranks_worker

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("world_size", [3, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2))])
def test_gathering_on_uneven_ranks_gives_what_one_process_gives(tmp_path: Path, world_size: int):
    processes.side_by_side(ranks_worker.main, [(tmp_path, rank, world_size) for rank in range(world_size)])
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(world_size)]
    # As that library's losses, it gathers nothing.
    for rank, part in enumerate(parts):
        mine = slice(9 * rank, None if rank == world_size - 1 else 9 * (rank + 1))
        torch.testing.assert_close(
            part["metric_learning"][0], InfoNCE()(*(rows[mine] for rows in ranks_worker.columns()[:2]))
        )
    for name, loss in ranks_worker.losses(world_size=1).items():
        value, *of_rows, of_scale = ranks_worker.results(loss, ranks_worker.columns())
        for part in parts:
            torch.testing.assert_close(part[name][0], value, rtol=1e-12, atol=1e-14)
        # DistributedDataParallel takes the mean over ranks.
        for index, expected in enumerate(of_rows, start=1):
            together = torch.cat([part[name][index] for part in parts]) / world_size
            torch.testing.assert_close(together, expected, rtol=1e-11, atol=1e-13)
        mean = torch.stack([part[name][-1] for part in parts]).mean()
        torch.testing.assert_close(mean, of_scale, rtol=1e-11, atol=1e-13)
