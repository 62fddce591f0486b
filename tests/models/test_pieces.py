import pytest
import torch
from torch import Tensor, nn

from anchorwise.models.pieces import encoded_in_pieces


def _network(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), *layers, nn.Tanh(), nn.Linear(6, 3)).double()


def _rows() -> Tensor:
    return torch.randn(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _loss(rows: Tensor) -> Tensor:
    """Every row looks at every other."""
    return (rows @ rows.T).logsumexp(dim=1).mean()


def _gradients(network: nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters())))


@pytest.mark.parametrize("max_rows", [1, 3, 10, 99])
def test_the_gradient_is_that_of_the_whole_batch(max_rows):
    network = _network(nn.LayerNorm(6))
    whole, pieces = network(_rows()), encoded_in_pieces(network, network, _rows(), max_rows=max_rows)
    assert torch.allclose(whole, pieces, rtol=0, atol=1e-14)
    for expected, found in zip(_gradients(network, _loss(whole)), _gradients(network, _loss(pieces)), strict=True):
        assert torch.allclose(expected, found, rtol=0, atol=1e-13)


def test_pieces_are_even_and_each_is_encoded_once_without_and_once_with_its_activations():
    network, seen = _network(), list[int]()

    def encode(piece: Tensor) -> Tensor:
        seen.append(len(piece))
        return network(piece)

    loss = _loss(encoded_in_pieces(network, encode, _rows(), max_rows=4))
    assert seen == [4, 3, 3]
    loss.backward()
    assert sorted(seen) == [3, 3, 3, 3, 4, 4]


def test_tables_of_tensors_are_cut_along_the_samples():
    network = _network()
    table = {"one": _rows(), "other": _rows() + 1}
    rows = encoded_in_pieces(network, lambda view: network(view["one"] * view["other"]), table, max_rows=3)
    assert torch.allclose(rows, network(_rows() * (_rows() + 1)))


def test_dropout_is_the_same_in_both_passes():
    network = _network(nn.Dropout(0.5))
    drawn = list[Tensor]()
    network[1].register_forward_hook(lambda layer, given, made: drawn.append(made == 0))
    encoded_in_pieces(network, network, _rows(), max_rows=5).sum().backward()
    assert len(drawn) == 4
    assert torch.equal(torch.cat(drawn[:2]), torch.cat([drawn[3], drawn[2]]))


def test_batch_normalisation_sees_each_piece_and_counts_it_once():
    network, twin = _network(nn.BatchNorm1d(6)), _network(nn.BatchNorm1d(6))
    rows = encoded_in_pieces(network, network, _rows(), max_rows=5)
    expected = torch.cat([twin(piece) for piece in _rows().split(5)])
    for found, wanted in zip(_gradients(network, _loss(rows)), _gradients(twin, _loss(expected)), strict=True):
        assert torch.allclose(found, wanted, rtol=0, atol=1e-13)
    assert network[1].num_batches_tracked == 2
    assert torch.equal(network[1].running_mean, twin[1].running_mean)


def test_without_a_graph_each_piece_is_encoded_once():
    network, seen = _network(), list[int]()
    with torch.no_grad():
        encoded_in_pieces(network, lambda piece: (seen.append(len(piece)), network(piece))[1], _rows(), max_rows=5)
    assert seen == [5, 5]
