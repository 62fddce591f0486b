"""The contract: what every registered objective promises, run on every objective."""

import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Mapping

import pytest
import torch
from torch import nn

from anchorwise import Objective, _checks, objectives
from anchorwise.objectives.registry import OBJECTIVES
from anchorwise.tails import Exponent, Gate, GateReading, Negatives
from tests.contracts import batches
from tests.contracts.cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
HELPER_MODULES = {"objective", "registry", "cross_entropy"}


def test_every_objective_module_is_registered_and_under_contract():
    modules = {module.name for module in pkgutil.iter_modules(objectives.__path__)} - HELPER_MODULES
    registered = {make.__module__.rpartition(".")[2] for make in OBJECTIVES.values()}
    assert modules == registered
    assert set(OBJECTIVES.values()) == {case.make for case in CASES}


@every_case
@pytest.mark.parametrize("batch", batches.REGULAR.values(), ids=batches.REGULAR)
def test_loss_equals_the_slow_twin(case: Case, batch):
    view0, view1 = batch()
    outcome = case.objective().detail(view0, view1)
    expected = torch.tensor(case.twin(view0.tolist(), view1.tolist()), dtype=torch.float64)
    # Cosines differ by a few units in the last place; near the cap 1 - s magnifies that by 1 / (1 - s).
    torch.testing.assert_close(outcome.per_anchor, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(outcome.loss, expected.mean(), rtol=1e-9, atol=1e-12)


class _FrozenGate(Gate):
    def __init__(self, reading: GateReading) -> None:
        object.__setattr__(self, "reading", reading)

    def read(self, negatives: Negatives) -> GateReading:
        return self.reading  # type: ignore[attr-defined]


class _FrozenExponent(Exponent):
    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, negatives: Negatives) -> torch.Tensor:
        return self.value


def _freeze_statistics(objective: Objective, views: batches.Views) -> None:
    """Hold lambda and exponents at their values for `views`, as the gradient does."""
    for module in objective.modules():
        if isinstance(module, Objective) and hasattr(module, "exponent"):
            stats = module.detail(*views).stats
            module.exponent = _FrozenExponent(stats["exponent"])
            if hasattr(module, "gate"):
                module.gate = _FrozenGate(GateReading(stats["lambda"]))


@every_case
def test_gradient_is_the_derivative_with_statistics_held_fixed(case: Case):
    views = batches.ordinary(num_images=6)
    objective = case.objective()
    _freeze_statistics(objective, views)
    assert torch.autograd.gradcheck(objective, [view.clone().requires_grad_() for view in views])


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("batch", batches.EXTREME.values(), ids=batches.EXTREME)
def test_loss_and_gradient_are_finite_at_the_extremes(case: Case, dtype, batch):
    views = [view.to(dtype).requires_grad_() for view in batch()]
    loss = case.objective()(*views)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert all(view.grad is not None and view.grad.isfinite().all() for view in views)


@every_case
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_of_the_embeddings_does_not_matter(case: Case, scale: float):
    view0, view1 = (view.float() for view in batches.ordinary())
    expected = case.objective()(view0, view1)
    torch.testing.assert_close(case.objective()(view0 * scale, view1), expected, rtol=1e-4, atol=1e-6)


@every_case
def test_order_of_images_does_not_matter(case: Case):
    view0, view1 = batches.ordinary()
    order = torch.randperm(len(view0), generator=torch.Generator().manual_seed(0))
    expected = case.objective()(view0, view1)
    torch.testing.assert_close(case.objective()(view0[order], view1[order]), expected, rtol=1e-11, atol=0)


@every_case
def test_order_of_views_does_not_matter(case: Case):
    view0, view1 = batches.ordinary()
    expected = case.objective()(view0, view1)
    torch.testing.assert_close(case.objective()(view1, view0), expected, rtol=1e-11, atol=0)


@every_case
def test_a_single_image_has_no_negatives_and_loss_zero(case: Case):
    views = [view[:1].requires_grad_() for view in batches.ordinary()]
    loss = case.objective()(*views)
    loss.backward()
    assert loss.item() == 0.0
    assert all(view.grad is not None and (view.grad == 0).all() for view in views)


@every_case
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("num_images", [1, 24])
def test_non_finite_embeddings_give_a_non_finite_loss(case: Case, value: float, num_images: int):
    view0, view1 = (view[:num_images].clone() for view in batches.ordinary())
    view1[-1, 2] = value
    assert not case.objective()(view0, view1).isfinite()


@every_case
def test_statistics_are_detached_and_of_one_value_or_one_per_anchor(case: Case):
    views = [view.requires_grad_() for view in batches.ordinary()]
    outcome = case.objective().detail(*views)
    assert outcome.loss.requires_grad
    assert isinstance(outcome.stats, Mapping)
    for tensor in (outcome.per_anchor, *outcome.stats.values()):
        assert not tensor.requires_grad
        assert tensor.shape in ((), (48,))


@every_case
def test_every_hyperparameter_changes_the_loss(case: Case):
    if case.name not in OBJECTIVES and not case.others:
        pytest.skip("a further setting of an objective whose hyperparameters another case varies")
    batch = batches.clustered()
    expected = case.objective()(*batch)
    assert set(case.others) == set(inspect.signature(case.make).parameters)
    for name, value in case.others.items():
        assert case.objective(**{name: value})(*batch) != expected, name


def test_every_objective_compiles_as_one_graph():
    program = [sys.executable, "-m", "tests.contracts.compile_all"]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.stdout.split() == [case.name for case in CASES], result.stderr


@every_case
def test_autocast_does_not_change_the_loss(case: Case):
    view0, view1 = (view.float() for view in batches.near_cap())
    expected = case.objective()(view0, view1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = case.objective()(view0, view1)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-7)


@every_case
def test_state_survives_a_round_trip(case: Case):
    trained, fresh = case.objective(), case.objective()
    trained(*batches.ordinary(seed=8))
    fresh.load_state_dict(trained.state_dict())
    batch = batches.ordinary()
    assert fresh(*batch) == trained(*batch)


@every_case
def test_nothing_is_trained(case: Case):
    assert isinstance(case.objective(), nn.Module)
    assert not list(case.objective().parameters())


@pytest.mark.parametrize(
    ("view0", "view1", "error", "message"),
    [
        (torch.ones(4, 3), torch.ones(5, 3), ValueError, r"same shape, got \(4, 3\) and \(5, 3\)"),
        (torch.ones(4, 3), torch.ones(4, 2), ValueError, "same shape"),
        (torch.ones(4, 3, 2), torch.ones(4, 3, 2), ValueError, r"view0 must have shape \(images, width\)"),
        (torch.ones(0, 3), torch.ones(0, 3), ValueError, "at least one row"),
        (torch.ones(4, 3).int(), torch.ones(4, 3).int(), TypeError, r"floating dtype, got torch.int32"),
        (torch.ones(4, 3), torch.ones(4, 3).double(), ValueError, "share dtype and device"),
    ],
)
def test_wrong_views_are_refused_by_name(view0, view1, error, message):
    # Called below the shape checks that only the test run installs.
    with pytest.raises(error, match=message):
        _checks.views(view0, view1)
