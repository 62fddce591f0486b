"""A temperature that the model learns: `logit_scale` at the call, in every objective that divides by a temperature."""

import inspect
from dataclasses import replace

import pytest
import torch

from anchorwise.engine import Tiled, use_backend
from anchorwise.objectives import OBJECTIVES
from tests.contracts import batches
from tests.contracts.cases import CASES, Case

# What has one temperature for all, beside those whose temperatures are tables, prototypes', distances', uniformity's.
WITHOUT = {
    "arctanh",
    "beclr",
    "swav",
    "dino",
    "i_sog_clr",
    "sep_clr",
    "hardest_regularised",
    "mixture",
    "pairwise_views",
    "nested",
    "listwise_ranking",
}
TAKERS = [case for case in CASES if case.name in OBJECTIVES and "logit_scale" in case.objective().inputs.takes]


def _call(case: Case, logit_scale: torch.Tensor | float):
    call = case.call(*batches.ordinary(num_samples=12))
    return replace(call, learned={**call.learned, "logit_scale": logit_scale})


def test_every_objective_with_a_temperature_takes_one_that_is_learnt():
    tempered = {name for name, make in OBJECTIVES.items() if "temperature" in inspect.signature(make).parameters}
    assert tempered - WITHOUT == {case.name for case in TAKERS} - {"siglip"} - WITHOUT
    assert not any("temperature" in case.objective().inputs.takes for case in CASES)


@pytest.mark.parametrize(
    "case",
    [case for case in TAKERS if "temperature" in inspect.signature(case.make).parameters],
    ids=lambda case: case.name,
)
def test_a_scale_is_one_over_the_temperature(case: Case):
    expected = case.call(*batches.ordinary(num_samples=12)).loss(case.objective(temperature=0.25))
    for scale in (4.0, torch.tensor(4.0, dtype=torch.float64), torch.tensor([4.0])):
        torch.testing.assert_close(_call(case, scale).loss(case.objective()), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.whole
@pytest.mark.parametrize("case", TAKERS, ids=lambda case: case.name)
def test_the_gradient_reaches_the_scale_and_is_one_with_tiles(case: Case):
    gradients = []
    for backend in ("dense", Tiled(size=7)):
        scale = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
        with use_backend(backend):
            gradients.append(torch.autograd.grad(_call(case, scale).loss(case.objective()), scale)[0])
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    assert gradients[0] != 0.0


# The targets of SoftTargets depend on the scale and have no gradient; the contract's surrogate holds that.
@pytest.mark.whole
@pytest.mark.parametrize(
    "case",
    [case for case in TAKERS if case.surrogate is None and case.name != "soft_targets"],
    ids=lambda case: case.name,
)
def test_the_gradient_of_the_scale_is_the_derivative(case: Case):
    scale = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: _call(case, value).loss(case.objective()), scale)


@pytest.mark.whole
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "logit_scale" in case.objective().inputs.takes],
    ids=lambda case: case.name,
)
def test_a_scale_that_vanishes_gives_a_finite_loss_and_gradient(case: Case):
    for number in (0.0, 1e-30):
        call = case.call(*(view.float().requires_grad_() for view in batches.ordinary(num_samples=12)))
        scale = torch.tensor(number, requires_grad=True)
        loss = replace(call, learned={**call.learned, "logit_scale": scale}).loss(case.objective())
        gradients = torch.autograd.grad(loss, [*call.views, scale], allow_unused=True)
        assert loss.isfinite()
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_a_scale_below_0_is_refused_and_gives_no_finite_loss_where_values_are_not_read(monkeypatch: pytest.MonkeyPatch):
    scale = torch.tensor([-2.0], requires_grad=True)
    for case in TAKERS:
        with pytest.raises(ValueError, match=r"logit_scale must be at least 0, .* got -2; .*log_scale.exp\(\)"):
            _call(case, scale).loss(case.objective())
    monkeypatch.setattr("anchorwise._tensor_checks.are_read", lambda values: False)
    for case in (case for case in TAKERS if case.name in ("clip", "siglip", "sog_clr", "soft_targets")):
        assert not _call(case, scale).loss(case.objective()).isfinite()
