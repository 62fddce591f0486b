"""LightGCN, SimGCL and XSimGCL beside values worked by hand and dense twins."""

import pytest
import torch

from anchorwise import BPR, CrossViewInfoNCE
from anchorwise.methods import XSimGCL
from anchorwise.modalities.interactions.config import LightGCNConfig
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.interactions.pairs import sorted_pairs
from anchorwise.models import HeadConfig
from tests.methods.training import method_of, users_and_items, views_of_step


def _of_two_users() -> LightGCNEncoder:
    """`R = [[1, 1], [0, 1]]`, and vectors that are the rows of the identity."""
    sizes = {"num_users": 2, "num_items": 2, "num_edges": 3}
    encoder = LightGCNEncoder(LightGCNConfig(width=4, num_layers=2, with_first=False, **sizes)).double()
    encoder.take_graph(sorted_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2, 2))
    with torch.no_grad():
        for part, rows in zip((encoder.backbone.users, encoder.backbone.items), torch.eye(4).chunk(2), strict=True):
            part.copy_(rows)
    return encoder


def test_two_users_and_two_items_come_to_what_was_worked_by_hand():
    encoder = _of_two_users()
    layers = encoder.layers()
    rows = encoder.combined(layers)
    torch.testing.assert_close(rows[0], torch.tensor([0.375, 2**0.5 / 8, 2**0.5 / 4, 0.25]).double())
    expected = torch.tensor([[0.2652, 0.3125], [0.1250, 0.2652]]).double()
    torch.testing.assert_close(rows[:2] @ rows[2:].T, expected, atol=5e-5, rtol=0)
    contrast = CrossViewInfoNCE(temperature=0.15, both_directions=False)
    for side in (slice(0, 2), slice(2, 4)):
        assert contrast(rows[side], layers[1][side]).item() == pytest.approx(0.1175433, abs=5e-8)


def _dense_layers(encoder: LightGCNEncoder) -> list[torch.Tensor]:
    graph = encoder.graph
    chosen = (
        torch.zeros(graph.num_users, graph.num_items)
        .double()
        .index_put((graph.users, graph.items), torch.ones(1).double())
    )
    adjacency = torch.block_diag(chosen, chosen.T).roll(graph.num_items, dims=1)
    adjacency = torch.zeros(len(adjacency), len(adjacency)).double()
    adjacency[: graph.num_users, graph.num_users :], adjacency[graph.num_users :, : graph.num_users] = chosen, chosen.T
    degree = adjacency.sum(dim=1)
    normalised = adjacency / (degree[:, None] * degree[None]).sqrt()
    layers = [torch.cat([encoder.backbone.users, encoder.backbone.items])]
    for _ in range(encoder.num_layers):
        layers.append(normalised @ layers[-1])
    return layers


@pytest.mark.parametrize("with_first", [True, False])
def test_rows_and_gradients_are_those_of_a_dense_twin(with_first: bool):
    encoder = users_and_items(num_layers=3, with_first=with_first)
    dense = torch.stack(_dense_layers(encoder)[0 if with_first else 1 :]).mean(dim=0)
    weight = torch.randn(dense.shape, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(encoder.all_rows(), dense)
    parameters = list(encoder.parameters())
    sparse = torch.autograd.grad((encoder.all_rows() * weight).sum(), parameters)
    torch.testing.assert_close(sparse, torch.autograd.grad((dense * weight).sum(), parameters))


def test_noise_has_its_length_and_keeps_the_signs_and_a_node_without_edges_gets_none():
    encoder = users_and_items(num_layers=2)
    with torch.no_grad():
        encoder.backbone.users[0].zero_()
        encoder.backbone.items[:2].zero_()
    layers, plain = encoder.layers(noise=0.3), encoder.layers()
    first, noise = layers[1], layers[1] - plain[1]
    lengths = noise.norm(dim=1)
    is_there = plain[1].abs().sum(dim=1) > 0
    torch.testing.assert_close(lengths[is_there], torch.full_like(lengths[is_there], 0.3), atol=1e-12, rtol=0)
    assert (lengths[~is_there] == 0).all()
    assert bool((~is_there).any())
    assert first[is_there].sign().equal(plain[1][is_there].sign())
    assert not encoder.layers(noise=0.3)[1].equal(first)


def test_rows_that_are_kept_follow_the_weights():
    encoder = users_and_items().eval()
    nodes = torch.tensor([0, 7])
    with torch.no_grad():
        before = encoder(nodes)
        assert encoder(nodes).equal(before)
        encoder.backbone.users.mul_(2.0)
        encoder.backbone.items.mul_(2.0)
        torch.testing.assert_close(encoder(nodes), 2.0 * before)


def test_pieces_of_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"micro_batch_size must be left out for LightGCNEncoder, .*got 4"):
        users_and_items().in_pieces_of(4)


def test_light_gcn_is_bpr_and_half_the_squared_lengths_of_the_vectors_themselves():
    method = method_of("light_gcn", length_weight=0.5)
    views, batch = views_of_step(method, 0)
    layers = method.encoder.layers()
    rows, first = torch.stack(layers).mean(dim=0), layers[0]
    lengths = sum(0.5 * first[nodes].square().sum(dim=1) for nodes in views).mean()
    expected = BPR()(*(rows[nodes] for nodes in views)) + 0.5 * lengths
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-6)


def _ranking(rows: torch.Tensor, views: list[torch.Tensor]) -> torch.Tensor:
    users, items, others = (rows[nodes] for nodes in views[:3])
    return BPR()(users, items, others) + 0.3 * (users.norm() + items.norm()) / len(users)


def test_x_sim_gcl_contrasts_distinct_users_and_distinct_items_with_one_layer_of_the_same_pass():
    method = method_of("x_sim_gcl", noise=0.0, length_weight=0.3, contrast_weight=0.7, contrast_layer=2)
    views, batch = views_of_step(method, 0)
    layers = method.encoder.layers()
    rows, contrast = torch.stack(layers).mean(dim=0), CrossViewInfoNCE(temperature=0.15, both_directions=False)
    sides = [view.unique() for view in views[:2]]
    assert len(sides[0]) < len(views[0])
    expected = _ranking(rows, views) + 0.7 * sum(contrast(rows[side], layers[2][side]) for side in sides)
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_sim_gcl_ranks_a_pass_without_noise_and_contrasts_two_with_it():
    method = method_of("sim_gcl", noise=0.2, length_weight=0.3, contrast_weight=0.7)
    views, batch = views_of_step(method, 0)
    torch.manual_seed(3)
    loss = method(views, batch).outcome.loss.item()
    torch.manual_seed(3)
    noisy = [method.encoder.combined(method.encoder.layers(noise=0.2)) for _ in range(2)]
    contrast = CrossViewInfoNCE(temperature=0.2, both_directions=False)
    sides = [view.unique() for view in views[:2]]
    expected = sum(contrast(*(rows[side] for rows in noisy)) for side in sides)
    expected = _ranking(method.encoder.all_rows(), views) + 0.7 * expected
    assert loss == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["sim_gcl", "x_sim_gcl"])
def test_all_users_and_items_are_contrasted_where_that_is_asked_for(name: str):
    method = method_of(name, noise=0.0, length_weight=0.0, contrast_weight=1.0, among="all")
    views, batch = views_of_step(method, 0)
    assert len(views) == 3
    layers = method.encoder.layers()
    rows = torch.stack(layers).mean(dim=0)
    other = layers[1] if name == "x_sim_gcl" else rows
    expected = BPR()(*(rows[nodes] for nodes in views))
    expected = expected + sum(method.objective(rows[side], other[side]) for side in (slice(0, 6), slice(6, 11)))
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_what_the_methods_cannot_rank_by_is_refused():
    other = method_of("simclr").encoder
    with pytest.raises(ValueError, match=r"x_sim_gcl needs an encoder of users and items, got Encoder; set modality="):
        XSimGCL(other, CrossViewInfoNCE(), XSimGCL.Config())
    with pytest.raises(ValueError, match=r"contrast_layer must be at most encoder.num_layers=2, got 3"):
        method_of("x_sim_gcl", contrast_layer=3)
    with pytest.raises(ValueError, match=r"head\.num_layers must be 0 for light_gcn, got 2: items are ranked by"):
        method_of("light_gcn", head=HeadConfig())
