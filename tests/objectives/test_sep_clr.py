"""SepCLR's salient rows have lengths that count, whatever they are."""

import pytest
import torch
from torch import Tensor

from anchorwise import SepCLR
from tests.contracts import batches
from tests.twins import labelled

VIEWS = [view.float() for view in batches.ordinary(num_samples=8)]
TARGETS = torch.arange(8) % 2


def _salients(scale: float, dtype: torch.dtype) -> list[Tensor]:
    return [(scale * view[:, :3] / 8.0).to(dtype).requires_grad_() for view in VIEWS]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e3, 1e9, 1e15])
def test_the_loss_is_that_of_the_twin_as_far_as_float32_goes(scale: float, dtype: torch.dtype):
    salients = _salients(scale, dtype)
    loss = SepCLR()(*VIEWS, salients=salients, targets=TARGETS)
    rows = tuple(salient.double().tolist() for salient in salients)
    losses = labelled.sep_clr(*(view.double().tolist() for view in VIEWS), rows, TARGETS.tolist())
    # A few roundings of float32 in squares of the longest rows, which all terms share.
    torch.testing.assert_close(loss.double(), torch.tensor(losses).double().mean(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("scale", [1e17, 1e18, 1e20, 1e37])
@pytest.mark.parametrize("weight", [1000.0, 1e-3])
def test_loss_and_gradient_are_finite_for_rows_whose_squares_are_not(scale: float, dtype: torch.dtype, weight: float):
    salients = _salients(scale, dtype)
    loss = SepCLR(salient_weight=weight, background_weight=weight)(*VIEWS, salients=salients, targets=TARGETS)
    loss.backward()
    assert loss.isfinite()
    for salient in salients:
        assert salient.grad is not None
        assert salient.grad.isfinite().all()
        # Rows of the background are pulled to 0.
        background = TARGETS == 0
        assert (salient.grad * salient.detach().sign())[background].sum() > 0
