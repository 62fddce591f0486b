"""Every objective on a CUDA device gives what it gives on a CPU, where the contract holds it to its twin."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from tests.contracts import batches
from tests.contracts.cases import CASES, Call, Case
from tests.contracts.test_device import CAN_BE_FOLLOWED

pytestmark = pytest.mark.gpu
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_moved(each, device) for each in value)
    return value.to(device) if isinstance(value, Tensor) else value


def _loss_and_gradients(
    case: Case, views: tuple[Tensor, Tensor], device: str, within: AbstractContextManager | None = None
) -> list[Tensor]:
    own = [view.to(device).requires_grad_() for view in views]
    call = case.call(*own)
    parts = {
        part: {name: _moved(value, device) for name, value in getattr(call, part).items()}
        for part in ("per_sample", "per_pair", "shared", "learned")
    }
    learned = [value.requires_grad_() for value in parts["learned"].values()]
    with within or nullcontext():
        loss = replace(call, **parts).loss(case.objective().to(device))
    gradients = torch.autograd.grad(loss, [*own, *learned], allow_unused=True)
    return [loss.detach(), *(gradient for gradient in gradients if gradient is not None)]


@every_case
@pytest.mark.parametrize("batch", batches.REGULAR.values(), ids=batches.REGULAR)
def test_loss_and_gradients_equal_those_on_a_cpu(case: Case, batch):
    found, expected = (_loss_and_gradients(case, batch(), device) for device in ("cuda", "cpu"))
    # Sums have another order and logarithms another last digit; near the cap 1 - s magnifies what cosines differ by
    # 1 / (1 - s), here up to 1e5.
    tolerance = 2e-10 if batch is batches.near_cap else 1e-11
    for value, exact in zip(found, expected, strict=True):
        assert value.is_cuda
        assert (value.cpu() - exact).norm() <= tolerance * exact.norm() + 1e-14


@every_case
def test_float32_is_as_near_the_exact_values_as_on_a_cpu(case: Case):
    views = batches.ordinary(num_samples=61, width=16)
    exact = _loss_and_gradients(case, views, "cpu")
    single = (views[0].float(), views[1].float())
    by_device = [_loss_and_gradients(case, single, device) for device in ("cpu", "cuda")]
    for on_cpu, value, truth in zip(*by_device, exact, strict=True):
        rounding = 1e-6 if value.ndim == 0 else 4.0 * (on_cpu.double() - truth).norm()
        assert (value.cpu().double() - truth).norm() <= max(2e-6 * truth.norm(), rounding)


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_finite_at_the_extremes(case: Case, dtype: torch.dtype):
    for name, batch in batches.EXTREME.items():
        view0, view1 = (view.to(dtype) for view in batch())
        loss, *gradients = _loss_and_gradients(case, (view0, view1), "cuda")
        assert loss.isfinite(), name
        assert case.singular or all(gradient.isfinite().all() for gradient in gradients), name


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast_does_not_change_the_loss(case: Case, dtype: torch.dtype):
    view0, view1 = (view.float() for view in batches.near_cap())
    expected = _loss_and_gradients(case, (view0, view1), "cuda")
    found = _loss_and_gradients(case, (view0, view1), "cuda", torch.autocast("cuda", dtype))
    for value, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(value, exact, rtol=1e-6, atol=1e-7)


def _on_the_device(call: Call) -> Call:
    """The call with leaves in the place of its tensors: a graph reads and writes where it was captured."""

    def leaf(value: Tensor) -> Tensor:
        return value.detach().cuda().requires_grad_(value.is_floating_point())

    return replace(call, **{part.name: tree_map_only(Tensor, leaf, getattr(call, part.name)) for part in fields(call)})


def _tensors(call: Call) -> list[Tensor]:
    return [value for value in tree_leaves((call.views, call.given)) if isinstance(value, Tensor)]


def _captured(step: Callable[[], list[Tensor]]) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    return graph, results


# Whatever the default is at a size at which no score is kept.
LARGE = {"info_nce", "weince-default", "weince-published", "weibit", "weibit-hardest", "clip", "siglip", "moco_v3"}


@pytest.mark.parametrize(
    ("case", "num_samples"),
    [
        pytest.param(case, size, id=f"{case.name}-{size}")
        for size in (24, 4096)
        for case in CAN_BE_FOLLOWED
        if size == 24 or case.name in LARGE
    ],
)
def test_a_captured_graph_replays_on_new_data_what_eager_calls_give(case: Case, num_samples: int):
    objective = case.objective().cuda()
    state = {name: value.clone() for name, value in objective.state_dict().items()}
    batch_pair = [[view.float() for view in batches.ordinary(num_samples, 32, seed)] for seed in (0, 1)]
    call, other = (_on_the_device(case.call(*views)) for views in batch_pair)
    differentiated = [value for value in _tensors(call) if value.requires_grad]

    def step() -> list[Tensor]:
        loss = call.loss(objective)
        gradients = torch.autograd.grad(loss, differentiated, allow_unused=True)
        return [loss.detach(), *(gradient for gradient in gradients if gradient is not None)]

    def from_the_start(compute: Callable[[], Any]) -> Any:
        for name, value in objective.state_dict().items():
            value.copy_(state[name])
        return compute()

    graph, results = _captured(step)
    with torch.no_grad():
        for value, new in zip(_tensors(call), _tensors(other), strict=True):
            value.copy_(new)
    from_the_start(graph.replay)
    replayed = [value.clone() for value in results]
    for value, expected in zip(replayed, from_the_start(step), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)


def test_compiled_objectives_equal_the_others():
    program = [sys.executable, "-m", "tests.gpu.compile_some"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
