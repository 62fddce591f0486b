import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anchorwise._ranks import gather_rows
from tests.contracts import batches
from tests.contracts.cases import CASES


def test_without_a_process_group_rows_are_returned_as_they_are():
    rows = torch.ones(3, 2)
    assert gather_rows(rows) is rows


@pytest.mark.parametrize("world_size", [3, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2))])
def test_gradients_on_uneven_ranks_equal_those_of_one_process(tmp_path: Path, world_size: int):
    program = [sys.executable, "-m", "tests.engine.ranks_worker", str(tmp_path)]
    ranks = [subprocess.Popen([*program, str(rank), str(world_size)]) for rank in range(world_size)]
    assert [rank.wait() for rank in ranks] == [0] * world_size
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(world_size)]
    for case in CASES:
        views = [view.requires_grad_() for view in batches.ordinary()]
        case.loss(*views).backward()
        for index, view in enumerate(views):
            if index not in case.without_gradient:
                together = torch.cat([part[case.name][index] for part in parts])
                assert view.grad is not None
                torch.testing.assert_close(together, view.grad, rtol=1e-11, atol=1e-13)
