"""Products in full precision, whichever way they are differentiated."""

import pytest
import torch

from anchorwise import InfoNCE, SoftTargets, SwAV
from anchorwise._precision import log_sum, products
from anchorwise.engine import use_backend
from anchorwise.pairs import unit_rows

ROWS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHERS = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# torch scripts its own decompositions for forward derivatives.
forward_derivatives = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


@forward_derivatives
def test_products_have_the_derivatives_of_a_matrix_product():
    inputs = (ROWS.clone().requires_grad_(), OTHERS.clone().requires_grad_())
    assert torch.autograd.gradcheck(products, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(products, inputs)
    tangents = (OTHERS.new_ones(5, 4), OTHERS)
    torch.testing.assert_close(
        torch.func.jvp(products, (ROWS, OTHERS), tangents),
        torch.func.jvp(lambda a, b: a @ b.T, (ROWS, OTHERS), tangents),
    )


@forward_derivatives
@pytest.mark.parametrize("function", [lambda rows: products(rows, rows), unit_rows], ids=["own products", "unit rows"])
def test_what_has_a_short_derivative_of_its_own_has_the_right_one_however_often(function):
    rows = ROWS.clone().requires_grad_()
    assert torch.autograd.gradcheck(function, rows, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, rows)
    assert torch.allclose(torch.func.vmap(function)(ROWS.expand(2, 5, 4))[1], function(ROWS))


def test_a_row_of_zeros_passes_its_gradient_on():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit_rows(rows).sum().backward()
    assert rows.grad is not None
    assert rows.grad[0].tolist() == [1.0, 1.0]
    assert (rows.grad[1] @ rows[1]).abs() < 1e-6


@forward_derivatives
def test_a_dense_loss_can_be_transformed():
    view0, view1 = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    loss = InfoNCE()
    with use_backend("dense"):
        gradient = torch.func.grad(loss)(view0, view1)
        hessian = torch.func.hessian(loss)(view0, view1)
        many = torch.func.vmap(torch.func.grad(loss))(view0.expand(3, 6, 4), view1.expand(3, 6, 4))
        expected = torch.autograd.grad(loss(view0.requires_grad_(), view1), view0)
    torch.testing.assert_close(gradient, *expected)
    torch.testing.assert_close(hessian, hessian.permute(2, 3, 0, 1))
    torch.testing.assert_close(many[2], gradient)


@forward_derivatives
@pytest.mark.parametrize(
    "loss",
    [
        lambda scale: SwAV()(ROWS * scale, ROWS.flip(0) + 1.0 / scale, prototypes=OTHERS),
        lambda scale: SoftTargets()(ROWS, ROWS.flip(0), keys=(ROWS + 1.0, ROWS - 1.0), logit_scale=scale),
    ],
    ids=["assignments", "shares of a momentum encoder"],
)
def test_what_is_held_backward_is_held_forward(loss):
    scale = ROWS.new_tensor(3.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(scale), scale)
    _, slope = torch.func.jvp(loss, (scale.detach(),), (torch.ones_like(scale),))
    torch.testing.assert_close(slope, gradient)


def test_gradients_are_the_same_inside_autocast():
    inputs = [ROWS.float().requires_grad_(), OTHERS.float().requires_grad_()]
    expected = torch.autograd.grad(products(*inputs).logsumexp(dim=1).sum(), inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.autograd.grad(products(*inputs).logsumexp(dim=1).sum(), inputs)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_the_logsumexp_of_nothing_is_minus_infinity_with_a_gradient_of_zero(dim: int, marked: bool):
    logits = torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf]])
    logits = (logits if dim else logits.T).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        value = log_sum(logits, left_out=logits.isinf() if marked else None, dim=dim)
        value.exp().sum().backward()
    assert value.tolist() == [0.0, -torch.inf]
    assert logits.grad is not None
    assert logits.grad.sum() == logits.grad[0, 0] == 1.0
