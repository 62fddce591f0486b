"""More than two views of a sample: trained through SimCLR with the objectives that take them."""

import pytest

from anchorwise.methods.base import check_objective
from anchorwise.objectives import build
from tests.methods.training import method_of, optimizer_of, views_of_step

OBJECTIVES = ("mv_info_nce", "mv_dhel", "poly_view", "pairwise_views")


@pytest.mark.parametrize("num_views", [2, pytest.param(8, marks=pytest.mark.whole)])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_many_views_train_and_the_loss_falls(name: str, num_views: int):
    settings = {"name": name} if name != "pairwise_views" else {"name": name, "objective": "info_nce"}
    method = method_of("simclr", build(settings), num_views=num_views)
    check_objective(method, has_labels=False)
    views, batch = views_of_step(method, 0)
    assert len(views) == method.num_rows == num_views
    optimizer, losses = optimizer_of(method), list[float]()
    for _ in range(10):
        outcome = method(views, batch).outcome
        optimizer.zero_grad()
        outcome.loss.backward()
        optimizer.step()
        losses.append(outcome.loss.item())
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("name", ["mv_info_nce", "mv_dhel", "poly_view"])
def test_views_are_alike_in_any_order(name: str):
    method = method_of("simclr", build({"name": name}), num_views=4)
    views, batch = views_of_step(method, 0)
    turned = [views[place] for place in (2, 0, 3, 1)]
    assert method(turned, batch).outcome.loss.item() == pytest.approx(method(views, batch).outcome.loss.item())
