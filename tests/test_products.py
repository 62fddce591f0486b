"""Products in full precision, whichever way they are differentiated."""

import pytest
import torch

from anchorwise import InfoNCE
from anchorwise._precision import log_sum, products
from anchorwise.engine import use_backend

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


def test_gradients_are_the_same_inside_autocast():
    inputs = [ROWS.float().requires_grad_(), OTHERS.float().requires_grad_()]
    expected = torch.autograd.grad(products(*inputs).logsumexp(dim=1).sum(), inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.autograd.grad(products(*inputs).logsumexp(dim=1).sum(), inputs)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("dim", [0, 1])
def test_the_logsumexp_of_nothing_is_minus_infinity_with_a_gradient_of_zero(dim: int):
    logits = torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf]])
    logits = (logits if dim else logits.T).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        value = log_sum(logits, dim=dim)
        value[0].backward()
    assert value.tolist() == [0.0, -torch.inf]
    assert logits.grad is not None
    assert logits.grad.sum() == logits.grad[0, 0] == 1.0
