"""The optimisers of the study of adaptive memory momentum: steps by hand, and what they come down to."""

import pytest
import torch

from benchmarks.adaptive_memory import AMSGD, AMAdamW

GRADIENTS = [torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([-0.5, 2.0])]


def _steps(optimizer: torch.optim.Optimizer, weight: torch.Tensor, gradients=GRADIENTS) -> list[torch.Tensor]:
    found = []
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        found.append(weight.detach().clone())
    return found


def _weight(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values or (0.0, 0.0)))


def test_the_share_that_is_kept_by_hand():
    """(|g|^2 + 0 - 0.1 |d|^2) / |d - g|^2 = 0.9 / 2; then d = (0.55 d + 0.55 g) / 1.1."""
    weight = _weight()
    optimizer = AMSGD([{"params": [weight]}], 1.0, lam=0.1)
    _steps(optimizer, weight, GRADIENTS[:2])
    assert optimizer.beta.item() == pytest.approx(0.45)
    torch.testing.assert_close(optimizer.state[weight]["memory"], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.5, -1.5]))


def test_where_memory_and_gradient_are_one_nothing_is_kept_and_nothing_divided_by():
    weight = _weight()
    optimizer = AMSGD([{"params": [weight]}], 0.1)
    assert _steps(optimizer, weight, [GRADIENTS[0]] * 2)[-1].tolist() == pytest.approx([0.0, -0.2])
    assert optimizer.beta.item() == 0.0


def test_one_share_is_for_all_parameters_together():
    """Two parameters with the gradients of one of them split up behave as that one."""
    one, first, second = _weight(), _weight(0.0), _weight(0.0)
    whole, parted = AMSGD([{"params": [one]}], 0.1), AMSGD([{"params": [first]}, {"params": [second]}], 0.1)
    for gradient in GRADIENTS:
        one.grad, first.grad, second.grad = gradient.clone(), gradient[:1].clone(), gradient[1:].clone()
        whole.step()
        parted.step()
    torch.testing.assert_close(torch.cat([first, second]), one)


def test_without_memory_it_is_plain_descent():
    mine, plain = _weight(1.0, 2.0), _weight(1.0, 2.0)
    found = _steps(AMSGD([{"params": [mine]}], 0.1, lam=0.0, beta_max=0.0), mine)
    expected = _steps(torch.optim.SGD([plain], 0.1), plain)
    torch.testing.assert_close(found, expected)


def test_with_a_share_that_is_held_it_is_descent_along_a_moving_average():
    weight, memory, place = _weight(), GRADIENTS[0].clone(), torch.zeros(2)
    found = _steps(AMSGD([{"params": [weight]}], 0.1, lam=0.0, beta_min=0.9, beta_max=0.9), weight)
    for gradient, there in zip(GRADIENTS, found, strict=True):
        memory = memory if gradient is GRADIENTS[0] else 0.9 * memory + 0.1 * gradient
        place = place - 0.1 * memory
        torch.testing.assert_close(there, place)


def test_with_a_share_that_is_held_and_no_pull_it_is_adamw():
    mine, plain = _weight(1.0, 2.0), _weight(1.0, 2.0)
    held = AMAdamW([{"params": [mine]}], 0.1, lam=0.0, betas=(0.9, 0.9, 0.999), weight_decay=0.01)
    known = torch.optim.AdamW([plain], 0.1, betas=(0.9, 0.999), weight_decay=0.01)
    torch.testing.assert_close(_steps(held, mine), _steps(known, plain), rtol=1e-5, atol=1e-6)
