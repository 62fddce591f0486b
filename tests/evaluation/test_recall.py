import pytest
import torch

from anchorwise.evaluation import neighbors
from anchorwise.evaluation.recall import recalls_within


def recall_reference(features, labels, num_neighbors):
    """Share of items with one of their own class among the nearest others, in plain Python."""
    unit = [[x / sum(y * y for y in row) ** 0.5 for x in row] for row in features.tolist()]
    hits = 0
    for i, row in enumerate(unit):
        others = [j for j in range(len(unit)) if j != i]
        others.sort(key=lambda j: -sum(a * b for a, b in zip(row, unit[j], strict=True)))
        hits += any(labels[j] == labels[i] for j in others[:num_neighbors])
    return hits / len(unit)


def test_reference_matches_a_hand_worked_case():
    # On the circle at 0, 10, 20 and 90 degrees with classes 0, 1, 0, 1. Nearest other: 0 -> 10 (miss), 10 -> 0 or 20
    # (miss), 20 -> 10 (miss), 90 -> 20 (miss). Two nearest: 0 -> 20 hits, 20 -> 0 hits, 10 misses, 90 -> 10 hits.
    angles = torch.deg2rad(torch.tensor([0.0, 10.0, 20.0, 90.0]))
    points, labels = torch.stack([angles.cos(), angles.sin()], dim=1), [0, 1, 0, 1]
    assert recall_reference(points, labels, 1) == 0.0
    assert recall_reference(points, labels, 2) == 0.75


def test_recall_equals_the_reference(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(41, 5, generator=generator), torch.randint(7, (41,), generator=generator)
    expected = [recall_reference(features, labels.tolist(), k) for k in range(1, 41)]
    assert recalls_within(features, labels, max_neighbors=40) == expected
    monkeypatch.setattr(neighbors, "CHUNK_SCORES", 200)
    assert recalls_within(features, labels, max_neighbors=40) == expected


def test_an_item_alone_in_its_class_counts_as_a_miss():
    features = torch.eye(3)
    assert recalls_within(features, torch.tensor([0, 0, 1]), max_neighbors=2)[-1] == pytest.approx(2 / 3)


def test_an_item_does_not_find_itself():
    assert recalls_within(torch.eye(4), torch.arange(4), max_neighbors=3) == [0.0, 0.0, 0.0]


def test_more_neighbours_than_other_items_are_refused():
    with pytest.raises(ValueError, match="num_neighbors must be at most the 3 rows searched, got 4"):
        recalls_within(torch.eye(4), torch.arange(4), max_neighbors=4)
