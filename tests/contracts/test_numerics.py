"""What objectives promise about their arithmetic: inside autocast, in anomaly mode, on devices without float64."""

from dataclasses import replace

import pytest
import torch

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


@every_case
def test_autocast_does_not_change_the_gradient(case: Case):
    expected = gradients(case, batches.ordinary())
    found = gradients(case, batches.ordinary(), torch.autocast("cpu", dtype=torch.bfloat16))
    for one, other in zip(found, expected, strict=True):
        assert one is None if other is None else torch.equal(one, other)


@every_case
def test_anomaly_mode_finds_no_nan_on_the_way_back(case: Case):
    views = [batches.zeros(), batches.collapsed()]
    if case.single_image != "refused":
        views.append(batches.ordinary(num_images=1))
    with torch.autograd.set_detect_anomaly(True):
        for pair in views:
            gradients(case, pair)
