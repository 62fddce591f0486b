"""Every objective on a CUDA device gives what it gives on a CPU, where the contract holds it to its twin."""

import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contracts import batches
from tests.contracts.cases import CASES, Case

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


def test_compiled_objectives_equal_the_others():
    program = [sys.executable, "-m", "tests.gpu.compile_some"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
