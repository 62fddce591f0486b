"""Barlow Twins, VICReg and DINO: their own order of things, and what happens without what holds rows apart."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from anchorwise import DINO as DINOObjective
from anchorwise import BarlowTwins, VICReg
from anchorwise.methods import DINO, Batch, Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.models import HeadConfig
from anchorwise.models.centre import Centre
from anchorwise.objectives import build
from tests.methods.training import clock_at, method_of, optimizer_of, train, views_of_step

# Rows whose dimensions have mean 0, variance 1 over all four, and nothing to do with each other.
WHITE = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)


def test_equal_white_rows_cost_nothing():
    assert BarlowTwins()(WHITE, WHITE).item() == pytest.approx(0.0, abs=1e-9)
    assert VICReg()(WHITE, WHITE).item() == 0.0


@pytest.mark.parametrize("objective", [BarlowTwins(), VICReg()])
def test_one_sample_has_nothing_to_vary_over(objective):
    with pytest.raises(ValueError, match="needs at least 2 samples, got 1"):
        objective(WHITE[:1], WHITE[:1])


@pytest.mark.parametrize(("name", "objective"), [("barlow_twins", BarlowTwins()), ("vicreg", VICReg())])
def test_views_go_through_the_network_one_by_one(name: str, objective):
    method = method_of(name)
    views, batch = views_of_step(method, 0)
    apart = [method.online(view) for view in views]
    together = method.online(torch.cat(views)).chunk(2)
    assert method(views, batch).outcome.loss.item() == pytest.approx(objective(*apart).item())
    assert method(views, batch).outcome.loss.item() != pytest.approx(objective(*together).item())


def test_dino_is_a_loop_over_pairs_of_a_teachers_crop_and_another():
    method = method_of("dino", num_small=2)
    train(method, optimizer_of(method), range(2))
    centre = method.centre.value.tolist()
    views, batch = views_of_step(method, 2)
    scores = [method.prototypes(row).tolist() for row in _rows(method, views)]
    teacher = method.prototype_twin(method.twin(torch.cat(views[:2]))).chunk(2)
    losses = []
    for key, targets in enumerate(teacher):
        for view, of_view in enumerate(scores):
            if view == key:
                continue
            for target, row in zip(targets.tolist(), of_view, strict=True):
                shares = _softmax([(t - c) / 0.04 for t, c in zip(target, centre, strict=True)])
                found = _softmax([s / 0.1 for s in row])
                losses.append(-math.fsum(q * math.log(p) for q, p in zip(shares, found, strict=True)))
    outcome = method(views, batch).outcome
    assert len(losses) == 2 * 3 * 6
    assert outcome.per_anchor.tolist() == pytest.approx(losses, rel=1e-9)


def _rows(method: Any, views: list[torch.Tensor]) -> list[torch.Tensor]:
    return [*method.online(torch.cat(views[:2])).chunk(2), *method.online(torch.cat(views[2:])).chunk(len(views) - 2)]


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    shares = [math.exp(x - top) for x in logits]
    return [share / math.fsum(shares) for share in shares]


def test_the_centre_follows_after_the_loss():
    method = method_of("dino")
    views, batch = views_of_step(method, 0)
    keys = method.prototype_twin(method.twin(torch.cat(views[:2])))
    scores = [method.prototypes(row) for row in _rows(method, views)]
    expected = DINOObjective()(*scores, keys=keys.chunk(2), centre=torch.zeros(5, dtype=torch.float64))
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(method.centre.value, 0.1 * keys.mean(dim=0))


def test_the_centre_is_kept_in_evaluation_mode():
    centre = Centre(2, 0.5)
    centre.follow([WHITE.float() + 2.0])
    centre.eval().follow([torch.full((3, 2), 9.0)])
    assert centre.value.tolist() == [1.0, 1.0]


def test_dinos_prototypes_are_held_still_at_first_and_its_copies_follow_afterwards():
    method = method_of("dino", freeze_epochs=1, momentum=0.0)
    start, optimizer = method.prototypes.weight.detach().clone(), optimizer_of(method)
    train(method, optimizer, range(2))
    assert torch.equal(method.prototypes.weight.detach(), start)
    assert method.prototypes.weight not in optimizer.state
    train(method, optimizer, range(2, 3))
    assert not torch.equal(method.prototypes.weight.detach(), start)
    follows = method_of("dino", momentum=0.0)
    follows.after_step(clock_at(0))
    pairs = zip(follows.online.parameters(), follows.twin.network.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_the_teachers_temperature_goes_straight_to_the_objectives():
    method = method_of("dino", build({"name": "dino", "teacher_temperature": 0.08}), warmup_epochs=2)
    temperatures = []
    for step in (0, 2, 4, 6):  # Two steps an epoch.
        method.before_step(clock_at(step))
        temperatures.append(1.0 / method.teacher_scale.item())
    assert temperatures == pytest.approx([0.04, 0.06, 0.08, 0.08])
    sharper = method_of("dino", warmup_epochs=2, warmup_temperature=0.01)
    sharper.before_step(clock_at(0))
    batch = views_of_step(sharper, 0)
    assert sharper(*batch).outcome.stats["teacher_entropy"] < method_of("dino")(*batch).outcome.stats["teacher_entropy"]


def test_a_warm_up_towards_a_temperature_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"method\.warmup_epochs must be 0 for objective BarlowTwins"):
        method_of("dino", BarlowTwins(), warmup_epochs=1)


def _prototypes_used(centre_momentum: float) -> float:
    """How many of 16 prototypes DINO's teacher uses after a short training on 64 noisy samples."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
    head = HeadConfig(hidden_width=32, output_width=16, norm="none", gelu=True)
    small = {"num_prototypes": 16, "momentum": 0.9, "freeze_epochs": 0, "centre_momentum": centre_momentum}
    method = DINO(Encoder(network, num_features=16), DINOObjective(), DINO.Config(head=head, **small))
    optimizer = torch.optim.AdamW([weight for weight in method.parameters() if weight.requires_grad], lr=3e-3)
    samples = torch.randn(64, 32)
    for step in range(100):
        clock = Clock(step, 100, 10)
        outcome = method([samples + 0.5 * torch.randn(64, 32) for _ in range(2)], Batch(samples, torch.arange(64)))
        optimizer.zero_grad()
        outcome.outcome.loss.backward()
        optimizer.step()
        method.after_step(clock)
    return outcome.outcome.stats["prototypes_used"].item()


@pytest.mark.whole
def test_without_its_centre_dino_uses_few_prototypes_and_the_log_says_so():
    assert _prototypes_used(0.9) > 8 > 2 * _prototypes_used(1.0) > 0
