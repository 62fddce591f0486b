"""Distances along a graph of neighbours, and what they make negatives count for."""

import math

import pytest
import torch

from anchorwise import CLIP
from anchorwise.models.geodesic import geodesic_distances, geodesic_weights
from anchorwise.pairs import unit_rows


def _on_circle(*degrees: float) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _slow(rows: torch.Tensor, k: int) -> list[list[float]]:
    """Bellman and Ford's relaxations over the edges, one by one."""
    units = [[x / math.hypot(*row) for x in row] for row in rows.tolist()]
    apart = [[max(0.0, 1.0 - sum(a * b for a, b in zip(x, y, strict=True))) for y in units] for x in units]
    num, edges = len(units), dict[tuple[int, int], float]()
    for i in range(num):
        for j in sorted((j for j in range(num) if j != i), key=lambda j: apart[i][j])[:k]:
            edges[i, j] = edges[j, i] = apart[i][j]
    found = [[0.0 if i == j else math.inf for j in range(num)] for i in range(num)]
    for _ in range(num):
        for start in found:
            for (i, j), length in edges.items():
                start[j] = min(start[j], start[i] + length)
    return found


@pytest.mark.parametrize("k", [1, 2, 4, 50])
def test_distances_are_those_of_shortest_paths(k: int):
    rows = torch.randn(14, 3, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    torch.testing.assert_close(geodesic_distances(rows, k), torch.tensor(_slow(rows, k), dtype=torch.float64))
    torch.testing.assert_close(geodesic_distances(5.0 * rows, k), geodesic_distances(rows, k))


def test_across_a_gap_it_is_farther_along_the_graph_than_straight_on():
    # Fourteen steps of 20 degrees along a ring that does not close: its ends are 80 degrees apart.
    ring, step = _on_circle(*range(0, 281, 20)), 1.0 - math.cos(math.pi / 9)
    along, straight = geodesic_distances(ring, 2), 1.0 - ring @ ring.T
    assert along[0, 14].item() == pytest.approx(14 * step)  # An edge over two steps is longer than two edges.
    assert along[0, 5] < along[0, 14]
    assert straight[0, 14] < straight[0, 5]


def test_weights_rise_with_the_distance_and_are_one_where_no_path_leads():
    rows = _on_circle(0, 1, 3, 90, 91)
    weights = geodesic_weights(rows, 1).exp()
    assert weights.diagonal().tolist() == [0.0] * 5
    assert 0.0 < weights[0, 1] < weights[0, 2] < 1.0
    assert weights[0, 3:].tolist() == weights[3:, 2].tolist() == [1.0, 1.0]
    torch.testing.assert_close(weights, weights.T)
    distances = geodesic_distances(rows, 1)
    near = distances[(distances > 0) & distances.isfinite()]
    torch.testing.assert_close(weights[0, 2], -torch.expm1(-distances[0, 2] / near.mean()))


def test_a_samples_like_is_no_negative_of_it():
    rows = _on_circle(0, 0, 40)
    assert geodesic_weights(rows, 2)[0, 1] == -torch.inf
    assert (geodesic_weights(_on_circle(7, 7), 3) == -torch.inf).all()
    assert geodesic_weights(_on_circle(7), 3).tolist() == [[-math.inf]]


def test_weights_have_no_gradient_and_are_of_the_rows_own_kind():
    rows = torch.randn(6, 4, requires_grad=True)
    found = geodesic_weights(rows, 2)
    assert (found.requires_grad, found.dtype) == (False, torch.float32)
    assert geodesic_weights(rows.detach().half(), 2).dtype == torch.float32
    with pytest.raises(ValueError, match="k must be a whole number"):
        geodesic_weights(rows, 0)


def test_weights_of_one_are_clip():
    views = [torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]
    plain = CLIP()(*views)
    assert CLIP()(*views, log_weights=torch.zeros(7, 7)).item() == pytest.approx(plain.item(), rel=1e-12)
    # Two bundles that no path joins: for a sample alone in its own, all others count whole.
    apart = unit_rows(torch.eye(7, dtype=torch.float64))
    lighter = CLIP()(*views, log_weights=geodesic_weights(apart + 0.1, 1))
    assert lighter < plain


@pytest.mark.usefixtures("as_users_call")
def test_weights_are_refused_that_are_not_of_all_pairs():
    view = torch.randn(4, 3)
    with pytest.raises(ValueError, match=r"log_weights must have one number for each pair of the 4 samples"):
        CLIP()(view, view, log_weights=torch.zeros(3, 3))
