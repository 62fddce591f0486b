"""What objectives promise about their arithmetic: inside autocast, in anomaly mode, on devices without float64."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from anchorwise import engine
from anchorwise.engine.tiled import worker_threads
from anchorwise.objectives import OBJECTIVES, InfoNCE, VICReg
from tests.contracts import batches
from tests.contracts.cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradients(case: Case, views, inside=None):
    """Return the gradients by views and by what may be learnt; `inside` is a context for the backward pass."""
    call = case.call(*(view.float().requires_grad_() for view in views))
    learned = {name: value.float().requires_grad_() for name, value in call.learned.items()}
    given = [*call.views, *learned.values()]
    loss = replace(call, learned=learned).loss(case.objective())
    if inside is None:
        return torch.autograd.grad(loss, given, allow_unused=True)
    with inside:
        return torch.autograd.grad(loss, given, allow_unused=True)


@pytest.mark.whole
@every_case
def test_autocast_does_not_change_the_gradient(case: Case):
    expected = gradients(case, batches.ordinary())
    found = gradients(case, batches.ordinary(), torch.autocast("cpu", dtype=torch.bfloat16))
    for one, other in zip(found, expected, strict=True):
        assert one is None if other is None else torch.equal(one, other)


@pytest.mark.whole
@every_case
@pytest.mark.usefixtures("as_users_call")  # Shapes are checked where a case meets its twin.
def test_anomaly_mode_finds_no_nan_on_the_way_back(case: Case):
    views = [batches.zeros(), batches.collapsed()]
    if case.single_sample != "refused":
        views.append(batches.ordinary(num_samples=1))
    with torch.autograd.set_detect_anomaly(True):
        for pair in views:
            gradients(case, pair)


class WithoutFloat64(TorchDispatchMode):
    """A device that has no float64, as Apple's have none."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        found = {leaf.dtype for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)}
        assert torch.float64 not in found, f"{func} made a float64 tensor"
        return result


def narrow(value):
    return value.float() if isinstance(value, torch.Tensor) and value.dtype == torch.float64 else value


@pytest.mark.parametrize("backend", [engine.Dense(), engine.Tiled(16)], ids=["dense", "tiled"])
@pytest.mark.parametrize("case", [case for case in CASES if case.name in OBJECTIVES], ids=lambda case: case.name)
@pytest.mark.usefixtures("as_users_call")  # Shapes are checked where a case meets its twin.
@pytest.mark.whole
def test_float32_embeddings_ask_for_no_float64(case: Case, backend: engine.Backend, monkeypatch):
    monkeypatch.setattr(worker_threads, "num_workers", lambda device: 1)  # The mode belongs to a thread.
    call, objective = case.call(*batches.ordinary()), case.objective()
    views = [view.float().requires_grad_() for view in call.views]
    given = tree_map(narrow, call.given)
    with engine.use_backend(backend), WithoutFloat64():
        for _ in range(2):  # What is kept of a batch is used by the next.
            objective.detail(*views, **given).loss.backward()


@pytest.mark.parametrize(("half", "other"), [(torch.float16, torch.bfloat16), (torch.bfloat16, torch.float16)])
@pytest.mark.parametrize("objective", [InfoNCE(), VICReg()])
def test_half_precision_is_taken_inside_autocast_of_the_other(objective, half, other):
    views = [torch.randn(6, 4).to(half) for _ in range(2)]
    expected = objective(*views)
    with torch.autocast("cpu", dtype=other):
        assert objective(*views) == expected
