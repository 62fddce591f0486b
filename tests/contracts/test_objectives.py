"""The contract: what every registered objective promises, run on every objective."""

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import nn

import anchorwise
from anchorwise import Objective, _tensor_checks, objectives
from anchorwise.objectives import OBJECTIVES
from tests import processes
from tests.contracts import batches, compile_all, recording
from tests.contracts.cases import CASES, Case


def cases_that(holds: Callable[[Case], Any]) -> pytest.MarkDecorator:
    """Run a test on the cases for which it says something: one that does not apply is not collected."""
    return pytest.mark.parametrize("case", [case for case in CASES if holds(case)], ids=lambda case: case.name)


every_case = cases_that(lambda case: True)
# Shapes are checked where a case meets its twin; in a small loss the checks take more time than the loss.
unchecked = pytest.mark.usefixtures("as_users_call")


def test_every_objective_is_registered_by_the_name_of_its_file_and_under_contract():
    for file in pkgutil.iter_modules(objectives.__path__, f"{objectives.__name__}."):
        import_module(file.name)
    written = {kind for kind in Objective.__subclasses__() if kind.__module__.startswith(f"{objectives.__name__}.")}
    assert written <= set(OBJECTIVES.values())
    for name, make in OBJECTIVES.items():
        assert getattr(import_module(f"{objectives.__name__}.{name}"), make.__name__) is make
        assert getattr(anchorwise, make.__name__) is make
    assert set(OBJECTIVES.values()) == {case.make for case in CASES}
    # Some tests run on the case of an objective's own name alone.
    assert set(OBJECTIVES) <= {case.name for case in CASES}


@every_case
@pytest.mark.parametrize("batch", batches.REGULAR.values(), ids=batches.REGULAR)
def test_loss_equals_the_slow_twin(case: Case, batch):
    call = case.call(*batch())
    outcome = call.detail(case.objective())
    expected = torch.tensor(call.twin(case.twin), dtype=torch.float64)
    # Cosines differ by a few units in the last place; near the cap 1 - s magnifies that by 1 / (1 - s).
    torch.testing.assert_close(outcome.per_anchor, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(outcome.loss, expected.mean(), rtol=1e-9, atol=1e-12)


@cases_that(lambda case: case.surrogate is None)
@unchecked
def test_gradient_is_the_derivative_with_statistics_held_fixed(case: Case, monkeypatch: pytest.MonkeyPatch):
    call = case.call(*batches.ordinary(num_samples=6))
    objective = case.objective()
    held = recording.HeldStatistics(monkeypatch)
    call.loss(objective)
    names, given = [*call.learned], [*call.learned.values()]

    def loss(*inputs: torch.Tensor) -> torch.Tensor:
        held.rewind()
        views, learned = inputs[: len(call.views)], dict(zip(names, inputs[len(call.views) :], strict=True))
        return replace(call, views=views, learned=learned).loss(objective)

    inputs = [value.clone() for value in (*call.views, *given)]
    for index, value in enumerate(inputs):
        value.requires_grad_(index not in case.without_gradient)
    assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)


@cases_that(lambda case: case.surrogate)
@unchecked
def test_gradient_equals_that_of_the_plain_loss_with_the_same_statistics_detached(case: Case):
    gradients = []
    for function in (lambda call: call.loss(case.objective()), lambda call: case.surrogate(*call.views, **call.given)):
        call = case.call(*batches.ordinary(num_samples=6))
        inputs = [value.requires_grad_() for value in (*call.views, *call.learned.values())]
        gradients.append(torch.autograd.grad(function(call), inputs))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


# A further setting of an objective meets the same float32 rows with bfloat16 as with float16.
@pytest.mark.whole
@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        pytest.param(case, dtype, id=f"{dtype}-{case.name}", marks=() if case.name in OBJECTIVES else pytest.mark.whole)
        for dtype in (torch.float16, torch.bfloat16, torch.float32)
        for case in CASES
        if dtype != torch.bfloat16 or case.name in OBJECTIVES
    ],
)
@unchecked
def test_loss_and_gradient_are_finite_at_the_extremes(case: Case, dtype: torch.dtype):
    for name, batch in batches.EXTREME.items():
        views = [view.to(dtype).requires_grad_() for view in batch()]
        loss = case.loss(*views)
        loss.backward()
        assert loss.dtype == torch.float32
        assert loss.isfinite(), name
        for index, view in enumerate(views):
            if index not in case.without_gradient:
                assert view.grad is not None
                assert view.grad.isfinite().all() or (case.singular and dtype == torch.float16), name


def _coldest(case: Case) -> dict[str, Any]:
    return {name: value for name, value in case.cold.items() if name in inspect.signature(case.make).parameters}


@pytest.mark.whole
@cases_that(lambda case: case.name in OBJECTIVES and _coldest(case))
@unchecked
def test_the_lowest_temperature_overflows_nowhere(case: Case):
    cold = _coldest(case)
    for name, batch in batches.EXTREME.items():
        views = [view.float().requires_grad_() for view in batch()]
        loss = case.loss(*views, **cold)
        loss.backward()
        assert loss.isfinite(), name
        for index, view in enumerate(views):
            assert index in case.without_gradient or (view.grad is not None and view.grad.isfinite().all()), name
    views = batches.ordinary()
    # Float32 rounds cosines to about 1e-7, so logits to 1e-7 / 0.005, and a weight of 1000 keeps that relative.
    narrow = case.loss(*(view.float() for view in views), **cold).double()
    torch.testing.assert_close(narrow, case.loss(*views, **cold), rtol=1e-4, atol=1e-4)


@cases_that(lambda case: case.scale_free)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
@unchecked
def test_scale_of_the_embeddings_does_not_matter(case: Case, scale: float):
    call = case.call(*(view.float() for view in batches.ordinary()))
    scaled = replace(call, views=(call.views[0] * scale, *call.views[1:]))
    torch.testing.assert_close(scaled.loss(case.objective()), call.loss(case.objective()), rtol=1e-4, atol=1e-6)


@cases_that(lambda case: not case.scale_free)
def test_scale_of_the_embeddings_matters_where_an_objective_says_so(case: Case):
    call = case.call(*batches.ordinary())
    smaller = replace(call, views=tuple(0.01 * view for view in call.views))
    assert (smaller.loss(case.objective()) - call.loss(case.objective())).abs() > 1e-6


@every_case
@unchecked
def test_order_of_samples_does_not_matter(case: Case):
    call = case.call(*batches.ordinary())
    order = torch.randperm(len(call.views[0]), generator=torch.Generator().manual_seed(0))
    expected = call.loss(case.objective())
    shuffled = call.of_samples(lambda values: values[order])
    torch.testing.assert_close(shuffled.loss(case.objective()), expected, rtol=1e-11, atol=0)


def _losses_of_both_orders(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    call = case.call(*batches.ordinary())
    turned = replace(call, views=call.views[::-1])
    return call.loss(case.objective()), turned.loss(case.objective())


@cases_that(lambda case: case.symmetric)
@unchecked
def test_order_of_views_does_not_matter(case: Case):
    loss, turned_loss = _losses_of_both_orders(case)
    torch.testing.assert_close(turned_loss, loss, rtol=1e-11, atol=0)


@cases_that(lambda case: not case.symmetric)
def test_order_of_views_matters_where_an_objective_says_so(case: Case):
    loss, turned_loss = _losses_of_both_orders(case)
    assert (turned_loss - loss).abs() > 1e-6


def _single_sample() -> list[torch.Tensor]:
    return [view[:1].clone().requires_grad_() for view in batches.ordinary()]


@cases_that(lambda case: case.single_sample == "refused")
def test_a_single_sample_is_refused_where_an_objective_says_so(case: Case):
    with pytest.raises(ValueError, match="needs at least 2 samples, got 1"):
        case.loss(*_single_sample())


@cases_that(lambda case: case.single_sample != "refused")
def test_a_single_sample_gives_a_finite_loss_and_gradient(case: Case):
    views = _single_sample()
    loss = case.loss(*views)
    loss.backward()
    assert loss.isfinite()
    assert all(view.grad is None or view.grad.isfinite().all() for view in views)


@cases_that(lambda case: case.single_sample == "zero")
def test_a_single_sample_gives_nothing_where_an_objective_says_so(case: Case):
    views = _single_sample()
    loss = case.loss(*views)
    loss.backward()
    assert loss.item() == 0.0
    assert all(view.grad is None or (view.grad == 0).all() for view in views)


def _loss_with(case: Case, value: float, num_samples: int) -> torch.Tensor:
    view0, view1 = (view[:num_samples].clone() for view in batches.ordinary())
    view1[-1, 2] = value
    return case.loss(view0, view1)


@every_case
@unchecked
def test_non_finite_embeddings_give_a_non_finite_loss(case: Case):
    for value in (torch.nan, torch.inf, -torch.inf):
        assert not _loss_with(case, value, num_samples=24).isfinite()


@cases_that(lambda case: case.single_sample != "refused")
def test_a_single_sample_that_is_not_finite_gives_a_non_finite_loss(case: Case):
    assert not _loss_with(case, torch.nan, num_samples=1).isfinite()


@every_case
def test_statistics_are_detached_and_of_one_value_or_one_per_anchor(case: Case):
    call = case.call(*(view.requires_grad_() for view in batches.ordinary()))
    outcome = call.detail(case.objective())
    assert outcome.loss.requires_grad
    assert isinstance(outcome.stats, Mapping)
    for tensor in (outcome.per_anchor, *outcome.stats.values()):
        assert not tensor.requires_grad
        assert tensor.shape in ((), outcome.per_anchor.shape)


@cases_that(lambda case: case.name in OBJECTIVES or case.others)
def test_every_hyperparameter_is_under_contract(case: Case):
    assert set(case.others) == set(inspect.signature(case.make).parameters)


def _seen_at_once(case: Case) -> dict[str, Any]:
    """What is None is seen from the second batch on; a test of its own says how."""
    return {name: value for name, value in case.others.items() if value is not None}


@cases_that(_seen_at_once)
@unchecked
def test_every_hyperparameter_changes_the_loss_or_its_gradient(case: Case):
    def values(**changes: Any) -> tuple[torch.Tensor, ...]:
        call = case.call(*(view.requires_grad_() for view in batches.clustered()))
        loss = call.loss(case.objective(**changes))
        return loss, torch.autograd.grad(loss, call.views[0])[0]

    expected = values()
    for name, value in _seen_at_once(case).items():
        assert any(not torch.equal(*pair) for pair in zip(values(**{name: value}), expected, strict=True)), name


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["weince", "sup_con"], id="two", marks=pytest.mark.whole),
        pytest.param([case.name for case in CASES], id="every case", marks=pytest.mark.slow),
    ],
)
def test_objectives_compile_as_one_graph(names: list[str]):
    processes.side_by_side(compile_all.compile_all, [(names,)])


@every_case
@unchecked
def test_autocast_does_not_change_the_loss(case: Case):
    call = case.call(*(view.float() for view in batches.near_cap()))
    expected = call.loss(case.objective())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = call.loss(case.objective())
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-7)


@cases_that(lambda case: case.objective().state_dict())
def test_state_survives_a_round_trip(case: Case):
    trained, fresh = case.objective(), case.objective()
    case.call(*batches.ordinary(seed=8)).loss(trained)
    fresh.load_state_dict(trained.state_dict())
    call = case.call(*batches.ordinary())
    assert call.loss(fresh) == call.loss(trained)


@cases_that(lambda case: case.objective().state_dict())
@unchecked
def test_state_keeps_its_digits_where_a_model_is_cast(case: Case):
    objective = case.objective()
    case.call(*batches.ordinary()).loss(objective)
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    after = nn.ModuleList([objective]).bfloat16()[0].state_dict()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())


@every_case
def test_nothing_is_trained(case: Case):
    assert isinstance(case.objective(), nn.Module)
    assert not list(case.objective().parameters())


@every_case
def test_what_is_missing_is_named(case: Case):
    call, objective = case.call(*batches.ordinary()), case.objective()
    for name in set(objective.inputs.needs) & set(call.given):  # A mask stands in for labels.
        given = {key: value for key, value in call.given.items() if key != name}
        with pytest.raises(ValueError, match=rf"needs {name}: .*{name}="):
            objective(*call.views, **given)
    assert objective.inputs.min_views <= len(call.views) <= (objective.inputs.max_views or 99)
    assert set(call.given) <= {*objective.inputs.needs, *objective.inputs.takes}


@pytest.mark.parametrize(
    ("view0", "view1", "error", "message"),
    [
        (torch.ones(4, 3), torch.ones(5, 3), ValueError, r"same shape, got \(4, 3\) and \(5, 3\)"),
        (torch.ones(4, 3), torch.ones(4, 2), ValueError, "same shape"),
        (torch.ones(4, 3, 2), torch.ones(4, 3, 2), ValueError, r"view0 must have shape \(samples, width\)"),
        (torch.ones(4, 0), torch.ones(4, 0), ValueError, "view0 must have at least one column"),
        (torch.ones(4, 3).int(), torch.ones(4, 3).int(), TypeError, r"floating dtype, got torch.int32"),
        (torch.ones(4, 3), torch.ones(4, 3, device="meta"), ValueError, "on one device, got cpu and meta; .*view1.to"),
    ],
)
def test_wrong_views_are_refused_by_name(view0, view1, error, message):
    # Called below the shape checks that only the test run installs.
    with pytest.raises(error, match=message):
        _tensor_checks.views(view0, view1)
