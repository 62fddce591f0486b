import math

import numpy as np
import pytest
import torch

from anchorwise.evaluation import geometry
from anchorwise.evaluation.geometry import (
    alignment,
    class_alignment,
    covariance_spectrum,
    effective_rank,
    mean_resultant,
    modality_gap,
    tolerance,
    uniformity,
)


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


def test_the_spectrum_equals_numpys_on_unit_rows():
    units = torch.nn.functional.normalize(rows().double(), dim=1)
    expected = np.linalg.svd(np.cov(units.numpy().T, bias=True), compute_uv=False)
    assert covariance_spectrum(rows()).numpy() == pytest.approx(expected, abs=1e-7)  # The rows are float32.


def test_a_collapsed_direction_shows_in_the_spectrum():
    flat = rows()
    flat[:, 2] = 0.0
    assert float(covariance_spectrum(flat)[-1]) == pytest.approx(0.0, abs=1e-15)


def test_mean_direction_and_modality_gap_match_hand_worked_cases():
    along, across = torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.0, 1.0]])
    assert mean_resultant(along) == 1.0
    assert mean_resultant(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == 0.0
    assert modality_gap(along, across) == pytest.approx(math.sqrt(2.0))


def test_tolerance_is_the_mean_cosine_within_classes():
    labels = torch.tensor([0, 1, 0, 1, 1])
    units = torch.nn.functional.normalize(rows(5).double(), dim=1)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j and labels[i] == labels[j]]
    expected = sum(float(units[i] @ units[j]) for i, j in pairs) / len(pairs)
    assert tolerance(rows(5), labels) == pytest.approx(expected, abs=1e-6)


def test_class_ids_are_names_and_no_sizes():
    rows, labels = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    ids = torch.tensor([5, 10**12, 2**62])
    assert class_alignment(rows, ids[labels]) == class_alignment(rows, labels)
