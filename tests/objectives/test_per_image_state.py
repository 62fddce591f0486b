"""What SogCLR and iSogCLR keep about samples: first visits, duplicates, temperatures, saving."""

import pytest
import torch

from anchorwise import FastCLIP, ISogCLR, SogCLR
from anchorwise.objectives.parts.per_sample import log_mean_by_id, mean_by_id
from tests.contracts import batches
from tests.twins import global_loss

IDS = (7 * torch.arange(24)) % 29
# Tables are float32.
STORED = {"rtol": 2e-6, "atol": 2e-6}


@pytest.mark.parametrize("shifted", [False, True])
def test_three_visits_equal_the_slow_twin(shifted: bool):
    objective = ISogCLR(num_samples=30) if shifted else SogCLR(num_samples=30, gamma=0.8, rho=0.4)
    twin = global_loss.Global(gamma=0.8, rho=0.4, temperature=0.1, shifted=shifted)
    for seed, ids in ((0, IDS), (1, (IDS + 3) % 29), (2, IDS.flip(0))):
        views = batches.ordinary(seed=seed)
        outcome = objective.detail(*views, ids=ids)
        expected = twin.visit(*(view.tolist() for view in views), ids.tolist())
        torch.testing.assert_close(outcome.per_anchor, torch.tensor(expected, dtype=torch.float64), **STORED)
    known = torch.tensor([twin.temperatures.get(sample, 0.1) for sample in range(30)])
    # Those of SogCLR never move; of I-SogCLR's, every sample that was seen has its own.
    assert (len(known.unique()) > 1) == shifted
    stored = objective.temperatures if isinstance(objective, ISogCLR) else torch.full((30,), objective.temperature)
    torch.testing.assert_close(stored, known, **STORED)


def test_three_visits_of_pairs_equal_the_slow_twin():
    objective, twin = FastCLIP(num_samples=30), global_loss.Pairs(gamma=0.2, rho=6.5, temperature=0.07)
    for seed, ids in ((0, IDS), (1, (IDS + 3) % 29), (2, IDS.flip(0))):
        views = batches.ordinary(seed=seed)
        expected = twin.visit(*(view.tolist() for view in views), ids.tolist())
        found = objective.detail(*views, ids=ids).per_anchor
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), **STORED)


def test_an_unseen_sample_starts_at_its_own_estimate_whatever_else_was_seen():
    objective, fresh = (SogCLR(num_samples=48) for _ in range(2))
    objective(*batches.ordinary(seed=1), ids=torch.arange(24))
    mixed = torch.cat([torch.arange(12), 24 + torch.arange(12)])
    views = batches.ordinary(seed=2)
    log_u, first = (each.detail(*views, ids=mixed).stats["log_u"].view(2, 24) for each in (objective, fresh))
    assert torch.equal(log_u[:, 12:], first[:, 12:])
    assert (log_u[:, :12] != first[:, :12]).all()
    assert objective.denominators.seen.sum() == 36


def test_an_sample_that_is_there_twice_is_no_negative_of_itself_and_moves_once():
    view0, view1 = batches.ordinary()
    ids = torch.arange(24).clamp_max(22)
    objective = SogCLR(num_samples=24)
    log_u = objective.detail(view0, view1, ids=ids).stats["log_u"].view(2, 24)
    # Of rows 22 and 23 each sees the 22 other samples; the table holds the mean over both rows and both views.
    expected = 0.1 * log_u[:, 22:].exp().mean().log()
    torch.testing.assert_close(objective.denominators.soft_maxima[22].double(), expected, **STORED)
    alone = SogCLR(num_samples=24).detail(view0[:23], view1[:23], ids=ids[:23]).stats["log_u"]
    torch.testing.assert_close(log_u[0, 22], alone[22])


def test_u_follows_a_change_of_temperature():
    objective = SogCLR(num_samples=24, temperature=0.2, gamma=1e-9)
    views = batches.ordinary()
    before = objective.detail(*views, ids=torch.arange(24)).stats["log_u"]
    objective.temperature = 0.1
    after = objective.detail(*views, ids=torch.arange(24)).stats["log_u"].view(2, 24)
    torch.testing.assert_close(after[0], 2.0 * (before.view(2, 24).exp().mean(dim=0)).log(), rtol=1e-5, atol=1e-5)


def test_tables_rest_in_evaluation_and_at_values_that_are_not_finite():
    objective = ISogCLR(num_samples=24).eval()
    view0, view1 = batches.ordinary()
    saved = {name: value.clone() for name, value in objective.state_dict().items()}
    assert saved
    objective(view0, view1, ids=torch.arange(24))
    assert all(torch.equal(saved[name], value) for name, value in objective.state_dict().items())
    assert not objective.train()(view0 * torch.nan, view1, ids=torch.arange(24)).isfinite()
    assert all(torch.equal(saved[name], value) for name, value in objective.state_dict().items())


def test_a_run_that_is_taken_up_again_goes_on_as_before():
    first, second = ISogCLR(num_samples=30), ISogCLR(num_samples=30)
    first(*batches.ordinary(seed=1), ids=IDS)
    second.load_state_dict(first.state_dict())
    for seed in (2, 3):
        losses = [objective(*batches.ordinary(seed=seed), ids=IDS) for objective in (first, second)]
        assert torch.equal(*losses)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (SogCLR, {"gamma": 0.5}),
        (FastCLIP, {"gamma": 0.5}),
        (ISogCLR, {"gamma": 0.5, "beta": 0.2, "eta": 0.1, "temperature_range": (0.09, 0.11)}),
    ],
)
def test_what_shows_from_the_second_visit_on_changes_the_loss_there(make, changes):
    def second_loss(**given: object) -> torch.Tensor:
        objective = make(num_samples=30, **given)
        objective(*batches.ordinary(seed=1), ids=IDS)
        return objective(*batches.ordinary(seed=2), ids=IDS)

    for name, value in changes.items():
        assert second_loss(**{name: value}) != second_loss(), name


@pytest.mark.parametrize("make", [SogCLR, FastCLIP])
def test_the_gradient_of_a_learnt_temperature_changes_sign(make):
    # LibAUC's bimodal loss has rho + mean u there, which is always above 0, so its temperature falls without end.
    signs = []
    for temperature in (0.02, 2.0):
        tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
        make(num_samples=24, rho=2.0)(*batches.ordinary(), ids=torch.arange(24), logit_scale=1 / tau).backward()
        assert tau.grad is not None
        signs.append(tau.grad.sign().item())
    assert signs == [-1.0, 1.0]


def test_means_by_id():
    ids, values = torch.tensor([5, 2, 5, 9]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert mean_by_id(ids, values).tolist() == [2.0, 2.0, 2.0, 4.0]
    torch.testing.assert_close(log_mean_by_id(ids, values.log()).exp(), mean_by_id(ids, values))


@pytest.mark.parametrize("make", [SogCLR, ISogCLR, FastCLIP])
def test_ids_that_no_sample_has_and_batches_of_one_sample_are_refused(make):
    objective = make(num_samples=24)
    for ids, message in (
        (torch.arange(24) - 1, "ids must lie from 0 to num_samples - 1, 23, got -1 to 22"),
        (torch.arange(24) + 1, "got 1 to 24"),
        (torch.full((24,), 7), f"{make.__name__} needs at least 2 samples, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            objective(*batches.ordinary(), ids=ids)
