import math

import pytest
import torch
from torch import nn

from anchorwise.training import OptimizerConfig
from anchorwise.training.optimizers import build_optimizer, lr_at


def test_the_schedule_warms_up_linearly_and_ends_near_zero():
    rates = [lr_at(step, num_steps=100, num_warmup_steps=10, peak_lr=2.0) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert 0 < rates[99] < 0.001


def test_without_warm_up_the_schedule_starts_at_its_peak():
    assert lr_at(0, num_steps=5, num_warmup_steps=0, peak_lr=0.3) == 0.3


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_biases_and_norms_have_no_weight_decay(name: str):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = build_optimizer(OptimizerConfig(name=name, weight_decay=0.5), model)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert [decay[id(p)] for p in model.parameters()] == [0.5, 0.0, 0.0, 0.0]


def test_lars_takes_the_step_worked_by_hand():
    # |w| = 5, g + wd w = (1.3, 1.4), so w moves by lr * 0.001 * 5 / |g| with the gradient g before decay in the norm.
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
    optimizer = build_optimizer(OptimizerConfig(name="lars", peak_lr=1.0, weight_decay=0.1, momentum=0.0), model)
    model.weight.grad = torch.ones(1, 2)
    optimizer.step()
    trust = 0.001 * 5.0 / (math.sqrt(2.0) + 0.1 * 5.0)
    expected = torch.tensor([[3.0 - trust * 1.3, 4.0 - trust * 1.4]])
    torch.testing.assert_close(model.weight.detach(), expected)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
@pytest.mark.parametrize("setting", [{"peak_lr": 0.5}, {"weight_decay": 0.9}, {"momentum": 0.3}])
def test_no_setting_of_an_optimiser_does_nothing(name: str, setting: dict[str, float]):
    def weights_after_two_steps(config: OptimizerConfig) -> torch.Tensor:
        model = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[3.0, 4.0]]))
        optimizer = build_optimizer(config, model)
        for gradient in (1.0, -2.0):
            model.weight.grad = torch.full((1, 2), gradient)
            optimizer.step()
        return model.weight.detach()

    first, second = (weights_after_two_steps(OptimizerConfig(name=name, **more)) for more in ({}, setting))
    assert not torch.equal(first, second)
