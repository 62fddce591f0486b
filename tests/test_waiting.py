"""Ranks that wait in vain, and transforms that tiles cannot take: the error says what to do."""

import pytest
import torch
import torch.distributed as dist

from anchorwise import InfoNCE
from anchorwise._ranks import Ranks
from anchorwise.engine import Tiled, use_backend
from tests import processes

VIEWS = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0))
RANKS = Ranks(None, 0, 2)


@pytest.mark.parametrize(
    "collective",
    [RANKS.add_up, RANKS.gathered, lambda rows: RANKS.all_shards(rows[:5], len(rows))],
    ids=["add_up", "gathered", "all_shards"],
)
def test_a_timeout_names_the_reason_and_over_ranks(collective, monkeypatch):
    def time_out(*arguments, **named):
        raise RuntimeError("Timed out waiting 1800000ms for recv operation to complete")

    monkeypatch.setattr(dist, "all_reduce", time_out)
    monkeypatch.setattr(dist, "all_gather", time_out)
    with pytest.raises(RuntimeError, match=r"(?s)not all ranks came .*Timed out.* rank 0, .*over_ranks\(None\)"):
        collective(VIEWS[0])


@pytest.mark.parametrize(("others", "found"), [([9, 5, 0], "4 x torch.float32, 5 x"), ([9, 4, 1], "4 x torch.float64")])
def test_rows_that_differ_between_ranks_are_refused_on_all_of_them(others, found: str, monkeypatch):
    def gather(parts, part, group):
        parts[0].copy_(part)
        parts[1].copy_(torch.tensor(others))

    monkeypatch.setattr(dist, "all_gather", gather)
    with pytest.raises(ValueError, match=f"rows must have one width and dtype on all ranks, got .*{found}"):
        RANKS.gathered(VIEWS[0])


@pytest.mark.parametrize(
    "transform",
    [
        lambda loss: torch.func.grad(loss)(*VIEWS),
        lambda loss: torch.func.vmap(loss)(VIEWS.expand(3, 2, 9, 4)[:, 0], VIEWS.expand(3, 2, 9, 4)[:, 1]),
        lambda loss: torch.func.grad(loss)(VIEWS[0].double(), VIEWS[1].double()),
    ],
    ids=["grad", "vmap", "double"],
)
def test_a_transform_of_tiles_names_the_dense_backend(transform):
    with use_backend(Tiled(4)), pytest.raises(RuntimeError, match=r'torch.func cannot .*use_backend\("dense"\)'):
        transform(InfoNCE())


def compile_tiles_as_one_graph() -> None:
    with use_backend(Tiled(4)), pytest.raises(RuntimeError, match=r'in tiles, .*use_backend\("dense"\)'):
        torch.compile(InfoNCE(), fullgraph=True, backend="eager")(*VIEWS)


@pytest.mark.whole
def test_tiles_that_are_to_be_compiled_as_one_graph_name_the_dense_backend():
    processes.side_by_side(compile_tiles_as_one_graph, [()])
