from pathlib import Path

import pytest
import torch

from anchorwise import InfoNCE, Weibit
from anchorwise._ranks import gather_rows
from anchorwise.tails import PooledExponent
from tests import processes
from tests.contracts import batches
from tests.contracts.cases import Case
from tests.engine import ranks_worker
from tests.engine.ranks_worker import CASES, TAKING_PART, TILED

pytestmark = pytest.mark.whole


def test_without_a_process_group_rows_are_returned_as_they_are():
    rows = torch.ones(3, 2)
    assert gather_rows(rows) is rows


@pytest.mark.parametrize("world_size", [3, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2))])
def test_uneven_ranks_give_the_loss_and_gradients_of_one_process(tmp_path: Path, world_size: int):
    processes.side_by_side(ranks_worker.main, [(tmp_path, rank, world_size) for rank in range(world_size)])
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(world_size)]
    for case in CASES:
        _assert_one_process_gives_the_same(case, [part[case.name] for part in parts])
    _assert_one_process_gives_the_same(CASES[0], [part["dense"] for part in parts])
    for case in TAKING_PART:
        for backend in (TILED, "dense"):
            _assert_one_process_gives_the_same(case, [part[f"{backend} {case.name}"] for part in parts])
    assert {part["nothing"] for part in parts} == {"view0 and view1 must have at least one row, got (0, 6)"}
    for rank, part in enumerate(parts):
        own = [view[7 * rank : None if rank == world_size - 1 else 7 * (rank + 1)] for view in batches.ordinary()]
        torch.testing.assert_close(part["alone"][0], InfoNCE()(*own))
        torch.testing.assert_close(part["pooled"][0], Weibit(exponent=PooledExponent())(*batches.ordinary()))
    torch.testing.assert_close(parts[0]["first"], parts[0]["alone"])


def _assert_one_process_gives_the_same(case: Case, parts: list[list[torch.Tensor]]) -> None:
    views = [view.requires_grad_() for view in batches.ordinary()]
    loss = case.loss(*views)
    loss.backward()
    for part in parts:
        torch.testing.assert_close(part[0], loss.detach(), rtol=1e-11, atol=1e-13)
    for index, view in enumerate(views, start=1):
        if index - 1 not in case.without_gradient:
            assert view.grad is not None
            torch.testing.assert_close(torch.cat([part[index] for part in parts]), view.grad, rtol=1e-11, atol=1e-13)
