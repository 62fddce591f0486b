import math
from copy import deepcopy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from anchorwise.methods import Clock
from anchorwise.training import LARS, SGD, AdamW, OptimizerConfig
from anchorwise.training.optimizers import OPTIMIZERS, build_optimizer, lr_at, restore_optimizer, set_rates


def test_the_schedule_warms_up_linearly_and_ends_near_zero():
    rates = [lr_at(step, num_steps=100, num_warmup_steps=10, peak_lr=2.0) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert 0 < rates[99] < 0.001


def test_without_warm_up_the_schedule_starts_at_its_peak():
    assert lr_at(0, num_steps=5, num_warmup_steps=0, peak_lr=0.3) == 0.3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_biases_and_norms_have_no_weight_decay(optimizer: type[OptimizerConfig]):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    groups = build_optimizer(optimizer(weight_decay=0.5), model).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert [decay[id(p)] for p in model.parameters()] == [0.5, 0.0, 0.0, 0.0]


def test_lars_takes_the_step_worked_by_hand():
    # |w| = 5, g + wd w = (1.3, 1.4), so w moves by lr * 0.001 * 5 / |g| with the gradient g before decay in the norm.
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
    optimizer = build_optimizer(LARS(peak_lr=1.0, weight_decay=0.1, momentum=0.0), model)
    model.weight.grad = torch.ones(1, 2)
    optimizer.step()
    trust = 0.001 * 5.0 / (math.sqrt(2.0) + 0.1 * 5.0)
    expected = torch.tensor([[3.0 - trust * 1.3, 4.0 - trust * 1.4]])
    torch.testing.assert_close(model.weight.detach(), expected)


def test_biases_may_rise_to_a_rate_of_their_own():
    config = LARS(peak_lr=0.2, bias_lr=0.0048, warmup_epochs=1)
    optimizer = build_optimizer(config, nn.Linear(2, 1))
    set_rates(optimizer, config, Clock(step=1, num_steps=100, steps_per_epoch=4))
    rates = {group["params"][0].ndim: group["lr"] for group in optimizer.param_groups}
    assert rates == pytest.approx({2: 0.1, 1: 0.0024})


_OTHER = {
    "peak_lr": 0.5,
    "weight_decay": 0.9,
    "momentum": 0.3,
    "nesterov": True,
    "trust_coefficient": 0.1,
    "betas": (0.3, 0.99),
    "bias_lr": 0.7,
}
_OF_THE_LOOP = ("name", "warmup_epochs", "max_grad_norm")


@pytest.mark.parametrize(
    ("optimizer", "setting"),
    [(each, name) for each in OPTIMIZERS for name in each.model_fields if name not in _OF_THE_LOOP],
)
def test_no_setting_of_an_optimiser_does_nothing(optimizer: type[OptimizerConfig], setting: str):
    def weights_after_two_steps(config: OptimizerConfig) -> torch.Tensor:
        model = nn.Linear(2, 1)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[3.0, 4.0]]))
            model.bias.fill_(1.0)
        optimizer = build_optimizer(config, model)
        for gradient in (1.0, -2.0):
            model.weight.grad, model.bias.grad = torch.full((1, 2), gradient), torch.tensor([gradient])
            optimizer.step()
        return torch.cat([model.weight.detach().flatten(), model.bias.detach()])

    first, second = (weights_after_two_steps(optimizer(**more)) for more in ({}, {setting: _OTHER[setting]}))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("optimizer", "setting"), [(AdamW, "momentum"), (SGD, "betas"), (SGD, "trust_coefficient")])
def test_a_setting_of_another_optimiser_is_unknown(optimizer: type[OptimizerConfig], setting: str):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        optimizer(**{setting: _OTHER[setting]})


def test_looking_ahead_without_momentum_is_refused():
    with pytest.raises(ValidationError, match=r"optimizer\.nesterov must be false where optimizer\.momentum is 0"):
        SGD(nesterov=True, momentum=0.0)


@pytest.mark.parametrize("decay", [0.0, 1e-6])
def test_lars_scales_weights_and_no_bias_at_any_decay(decay: float):
    model = nn.Linear(4, 4)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = build_optimizer(LARS(peak_lr=1.0, weight_decay=decay, momentum=0.0), model)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    moved = (model.weight.detach() - before["weight"]).norm() / before["weight"].norm()
    assert moved.item() == pytest.approx(0.001, rel=1e-3)
    torch.testing.assert_close(model.bias.detach(), before["bias"] - 1.0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_of_weights_laid_out_otherwise_go_on_from_a_file_which_keeps_no_layout(
    optimizer: type[OptimizerConfig],
):
    def stepped(model: nn.Module, state: torch.optim.Optimizer, number: int) -> None:
        state.zero_grad()
        model(torch.arange(50.0).view(1, 2, 5, 5) + number).square().mean().backward()
        state.step()

    model = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = build_optimizer(optimizer(), model, on_device=True)
    stepped(model, state, 0)
    again, kept = deepcopy(model), tree_map_only(Tensor, Tensor.contiguous, deepcopy(state.state_dict()))
    resumed = build_optimizer(optimizer(), again, on_device=True)
    restore_optimizer(resumed, kept)
    for number in (1, 2):
        stepped(model, state, number)
        stepped(again, resumed, number)
    assert torch.equal(model.weight, again.weight)
