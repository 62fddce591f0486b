import math

import pytest
import torch

from anchorwise.evaluation import geometry
from anchorwise.evaluation.geometry import alignment, class_alignment, effective_rank, uniformity


def rows(n=23, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def squared_distance(a, b):
    a, b = torch.nn.functional.normalize(torch.stack([a, b]).double(), dim=1)
    return float((a - b).square().sum())


def test_effective_rank_of_equal_singular_values_is_their_number():
    assert effective_rank(torch.eye(5)[:3]) == pytest.approx(3.0)


def test_effective_rank_matches_a_hand_worked_case():
    # Singular values 3 and 1: shares 3/4 and 1/4.
    expected = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert effective_rank(torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])) == pytest.approx(expected)


def test_effective_rank_equals_the_formula_on_singular_values():
    shares = torch.linalg.svdvals(rows().double())
    shares = shares / shares.sum()
    assert effective_rank(rows()) == pytest.approx(float((-(shares * shares.log()).sum()).exp()), rel=1e-9)
    assert effective_rank(rows().T.contiguous()) == pytest.approx(effective_rank(rows()), rel=1e-9)


def test_a_collapsed_encoder_has_effective_rank_one_and_a_dead_one_is_refused():
    # Rounding leaves other singular values at most sqrt(eps) of the first.
    assert effective_rank(torch.ones(50, 8)) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="features must not be all zero; the encoder has collapsed"):
        effective_rank(torch.zeros(4, 3))


def test_alignment_is_the_mean_squared_distance_of_views():
    view0, view1 = rows(seed=0), rows(seed=1)
    expected = sum(squared_distance(a, b) for a, b in zip(view0, view1, strict=True)) / len(view0)
    assert alignment(view0, view1) == pytest.approx(expected, rel=1e-5)
    assert alignment(view0, 3 * view0) == pytest.approx(0.0, abs=1e-12)


def test_class_alignment_is_the_mean_over_pairs_of_one_class():
    features, labels = rows(), torch.arange(23) % 4
    pairs = [
        squared_distance(features[i], features[j])
        for i in range(23)
        for j in range(23)
        if i != j and labels[i] == labels[j]
    ]
    assert class_alignment(features, labels) == pytest.approx(sum(pairs) / len(pairs), rel=1e-5)


def test_uniformity_is_the_log_mean_kernel_over_pairs(monkeypatch):
    features = rows()
    kernel = [math.exp(-2 * squared_distance(features[i], features[j])) for i in range(23) for j in range(23) if i != j]
    expected = math.log(sum(kernel) / len(kernel))
    assert uniformity(features) == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(geometry, "CHUNK_SCORES", 70)
    assert uniformity(features) == pytest.approx(expected, rel=1e-5)


def test_uniformity_of_a_collapsed_encoder_is_zero_and_of_one_row_is_refused():
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="features must have at least two rows, got 1"):
        uniformity(torch.ones(1, 3))
