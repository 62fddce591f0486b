"""How ranks share a reduction, without processes: what each of them is to do, and what it finds."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anchorwise._ranks import Ranks
from anchorwise.engine import Dense, Tiled
from anchorwise.engine.request import (
    Attention,
    Backend,
    Exceedances,
    LargestScores,
    LogSumExp,
    Request,
    Sum,
    TailSummaries,
)
from anchorwise.links import BlendLink, SoftmaxLink
from anchorwise.pairs import Contrast, SameId, unit_rows
from tests.engine.weights import Distance


def _ranks(size: int) -> list[Ranks]:
    return [Ranks(None, rank, size) for rank in range(size)]


@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 9, 512, 8191, 8192, 65_537])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_ranks_have_equal_shares_of_the_anchors_and_none_is_idle(num_rows: int, size: int):
    shards = _ranks(size)[0].shards(num_rows)
    lengths = [len(range(num_rows)[rows]) for rows in shards]
    assert [row for rows in shards for row in range(num_rows)[rows]] == [*range(num_rows)]
    assert max(lengths) - min(lengths) <= 1
    assert num_rows < size or min(lengths) > 0


def _requests() -> dict[str, Request]:
    rows = unit_rows(torch.randn(23, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    own = torch.linspace(0.1, 0.9, 23, dtype=torch.float64)
    ids, values = torch.arange(23) % 9, torch.arange(23.0, dtype=torch.float64).unsqueeze(1)
    plain = Contrast(rows, rows, [SameId(ids, ids)])
    weighted = replace(plain, weight=Distance(values, values), only=SameId(ids % 4, ids % 3))
    return {
        "logsumexp": LogSumExp(plain, BlendLink(own, 0.2, 4 * own)),
        "weighted logsumexp": LogSumExp(weighted, SoftmaxLink(own)),
        "weighted sum": Sum(weighted, SoftmaxLink(own)),
        "attention": Attention(plain, SoftmaxLink(own), values),
        "largest scores": LargestScores(plain, 5),
        "summaries": TailSummaries(plain, 5, lambda scores: scores[:, ::2]),
        "exceedances": Exceedances(plain, own - 0.2, 1.0),
    }


def _tensors(answer: object) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else [*vars(answer).values()]


@pytest.mark.parametrize("name", _requests())
@pytest.mark.parametrize("backend", [Dense(), Tiled(size=4)], ids=["dense", "tiled"])
@pytest.mark.parametrize(
    "size", [pytest.param(2, marks=pytest.mark.whole), 5, pytest.param(30, marks=pytest.mark.whole)]
)
def test_what_the_ranks_find_for_their_own_anchors_is_what_one_process_finds_for_all(
    name: str, backend: Backend, size: int
):
    request = _requests()[name]
    parts = [_tensors(request.of_own_anchors(ranks).answered_by(backend)) for ranks in _ranks(size)]
    for found, whole in zip(zip(*parts, strict=True), _tensors(request.answered_by(backend)), strict=True):
        torch.testing.assert_close(torch.cat(found), whole, rtol=1e-12, atol=1e-13)


def test_a_gradient_adds_up_over_the_ranks(monkeypatch):
    monkeypatch.setattr(Ranks, "add_up", lambda self, *parts: None)  # Each rank's part is looked at by itself.
    rows = unit_rows(torch.randn(11, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    temperature = torch.tensor(0.3, dtype=torch.float64)

    def gradients(ranks: Ranks | None) -> list[Tensor]:
        own, learnt = rows.clone().requires_grad_(), temperature.clone().requires_grad_()
        request: Request = LogSumExp(Contrast(own, own), SoftmaxLink(learnt))
        part = request if ranks is None else request.of_own_anchors(ranks)
        return [*torch.autograd.grad(part.answered_by(Tiled(size=4)).sum(), [own, learnt])]

    parts = [gradients(ranks) for ranks in _ranks(3)]
    for found, whole in zip(zip(*parts, strict=True), gradients(None), strict=True):
        torch.testing.assert_close(sum(found), whole, rtol=1e-12, atol=1e-13)
