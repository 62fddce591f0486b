"""Links at their ends, and what they promise in common."""

import math

import pytest
import torch

from anchorwise import links
from anchorwise.links import (
    ArctanhLink,
    BellWeight,
    BlendLink,
    DistancePower,
    GaussianKernel,
    InverseMultiquadric,
    LogGaussianKernel,
    LogKernel,
    Moment,
    NegativeTerm,
    PositiveTerm,
    RieszKernel,
    ShortfallLink,
    SigmoidLink,
    SoftmaxLink,
    WeightedLink,
)

ONE = torch.ones(1, dtype=torch.float64)
RISING = [
    SoftmaxLink(0.1),
    SoftmaxLink(0.1 * ONE),
    ShortfallLink(3.0 * ONE),
    BlendLink(0.5 * ONE, 0.1, 3.0 * ONE),
    ArctanhLink(),
    SigmoidLink(10.0, -10.0),
    GaussianKernel(2.0),
    LogGaussianKernel(2.0),
    LogKernel(2.0),
    InverseMultiquadric(0.5),
    RieszKernel(1.0),
    RieszKernel(-1.0),
    DistancePower(1.0),
    DistancePower(2.0),
    *(NegativeTerm(make(), 1.0, 0.0) for make in links.DIVERGENCES.values()),
    *(PositiveTerm(make(), 1.0, 0.0) for make in links.DIVERGENCES.values()),
]


@pytest.mark.parametrize("link", RISING, ids=repr)
def test_a_link_rises_with_the_score_and_is_the_same_for_a_row_and_for_one(link):
    scores = torch.linspace(-0.999, 0.999, 41, dtype=torch.float64).unsqueeze(0)
    values = link(scores)
    assert (values.diff() > 0).all()
    torch.testing.assert_close(link(scores[:, 7]), values[:, 7])


@pytest.mark.parametrize("link", RISING, ids=repr)
def test_a_link_and_its_slope_are_finite_at_the_ends(link):
    scores = torch.tensor([[-1.0 - 1e-7, -1.0, 1.0, 1.0 + 1e-7]], requires_grad=True)
    values = link(scores)
    values.sum().backward()
    assert values.isfinite().all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


# Tsallis as the source prints it leaves out the constant that makes f(1) = 0.
@pytest.mark.parametrize("name", [name for name in links.DIVERGENCES if name != "tsallis"])
def test_an_f_divergence_is_balanced_where_positives_and_negatives_are_alike(name: str):
    # f*(f'(u)) = u f'(u) - f(u) with f(1) = 0, so both are f'(1) at u = 1.
    divergence, at_one = links.as_divergence(name), torch.zeros(1, dtype=torch.float64)
    torch.testing.assert_close(divergence.positive(at_one), divergence.negative(at_one))


@pytest.mark.parametrize("name", links.DIVERGENCES)
def test_the_two_parts_of_an_f_divergence_have_slopes_that_belong_together(name: str):
    # The derivative of f*(f'(u)) = u f'(u) - f(u) is u f''(u).
    divergence, log_u = links.as_divergence(name), torch.linspace(-2, 1, 7, dtype=torch.float64).requires_grad_()
    (first,) = torch.autograd.grad(divergence.positive(log_u).sum(), log_u)
    (second,) = torch.autograd.grad(divergence.negative(log_u).sum(), log_u)
    torch.testing.assert_close(second, first * log_u.detach().exp())


def test_a_detached_weight_changes_the_value_and_not_the_slope():
    scores = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    for detach, slope in ((True, 10.0), (False, 10.0 - 0.2)):
        link = WeightedLink(SoftmaxLink(0.1), BellWeight(0.1, 1.0), detach=detach)
        (gradient,) = torch.autograd.grad(link(scores).sum(), scores)
        assert link(scores).item() == pytest.approx(3.0 - 0.02)
        assert gradient.item() == pytest.approx(slope)


def test_moments_count_sum_and_spread():
    scores = torch.tensor([[0.5, -0.5]])
    assert [Moment(order)(scores).sum().item() for order in (0, 1, 2)] == [2.0, 0.0, 0.5]
    assert Moment(2, torch.tensor([0.5]))(scores).sum().item() == 1.0


def test_the_arctanh_link_is_twice_arctanh():
    assert ArctanhLink()(torch.tensor([0.5])).item() == pytest.approx(2 * math.atanh(0.5))


@pytest.mark.usefixtures("as_users_call")
def test_unknown_divergences_and_the_order_that_is_no_tsallis_are_refused():
    with pytest.raises(ValueError, match=r"divergence must be one of .*; did you mean 'pearson'"):
        links.as_divergence("person")
    with pytest.raises(ValueError, match="order must not be 1, got 1"):
        links.Tsallis(1.0)
