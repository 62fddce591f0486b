import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from anchorwise.evaluation import neighbors
from anchorwise.evaluation.knn import best_num_neighbors, check_labels, knn_accuracies, knn_accuracy, knn_predictions


def clustered(num_rows, width=8, num_classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_rows) % num_classes
    centres = torch.randn(num_classes, width, generator=torch.Generator().manual_seed(99))
    return centres[labels] + torch.randn(num_rows, width, generator=generator), labels


def vote_reference(train, train_labels, query, num_neighbors, temperature):
    """Weighted vote for one row, in plain Python."""
    cosines = [
        sum(a * b for a, b in zip(query, row, strict=True))
        / math.sqrt(sum(a * a for a in query) * sum(b * b for b in row))
        for row in train
    ]
    nearest = sorted(range(len(train)), key=lambda i: -cosines[i])[:num_neighbors]
    votes = {}
    for i in nearest:
        votes[train_labels[i]] = votes.get(train_labels[i], 0.0) + math.exp(cosines[i] / temperature)
    return max(sorted(votes), key=lambda label: votes[label])


def test_reference_matches_a_hand_worked_case():
    # Cosines 1, 0.6, 0.6: at T=1 the two of class 1 outvote the one of class 0 (2 e^0.6 = 3.64 > e = 2.72),
    # at T=0.1 they do not (2 e^6 = 807 < e^10 = 22026).
    train, labels = [[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]], [0, 1, 1]
    assert vote_reference(train, labels, [2.0, 0.0], 3, 1.0) == 1
    assert vote_reference(train, labels, [2.0, 0.0], 3, 0.1) == 0


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_every_prediction_equals_the_reference(temperature):
    train, train_labels = clustered(60)
    test, _ = clustered(12, seed=1)
    predictions = knn_predictions(train, train_labels, test, max_neighbors=20, temperature=temperature)
    for row, predicted in zip(test.tolist(), predictions.tolist(), strict=True):
        expected = [vote_reference(train.tolist(), train_labels.tolist(), row, k, temperature) for k in range(1, 21)]
        assert predicted == expected


@pytest.mark.parametrize("num_neighbors", [1, 7, 50])
def test_accuracy_equals_scikit_learn_with_the_same_weights(num_neighbors):
    train, train_labels = clustered(400)
    test, test_labels = clustered(300, seed=1)
    twin = KNeighborsClassifier(num_neighbors, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.1))
    expected = twin.fit(train.numpy(), train_labels.numpy()).score(test.numpy(), test_labels.numpy())
    assert knn_accuracy(train, train_labels, test, test_labels, num_neighbors=num_neighbors) == expected


def test_one_search_gives_the_accuracy_of_every_k():
    train, train_labels = clustered(100)
    test, test_labels = clustered(50, seed=1)
    together = knn_accuracies(train, train_labels, test, test_labels, max_neighbors=30)
    alone = [knn_accuracy(train, train_labels, test, test_labels, num_neighbors=k) for k in range(1, 31)]
    assert together == alone


def test_chunks_change_nothing_and_drop_nothing(monkeypatch):
    train, train_labels = clustered(100)
    test, test_labels = clustered(53, seed=1)
    whole = knn_accuracies(train, train_labels, test, test_labels, max_neighbors=30)
    monkeypatch.setattr(neighbors, "CHUNK_SCORES", 700)  # Seven queries at a time; 53 is not a multiple.
    assert knn_accuracies(train, train_labels, test, test_labels, max_neighbors=30) == whole
    assert len(knn_predictions(train, train_labels, test, max_neighbors=1)) == 53


def test_a_tiny_temperature_does_not_overflow():
    train, train_labels = clustered(100)
    nearest_only = knn_accuracy(train, train_labels, train, train_labels, num_neighbors=1)
    assert (
        knn_accuracy(train, train_labels, train, train_labels, num_neighbors=50, temperature=1e-4)
        == nearest_only
        == 1.0
    )


def test_scale_of_the_features_does_not_matter():
    train, train_labels = clustered(100)
    test, test_labels = clustered(50, seed=1)
    scaled = knn_accuracies(train * 1e3, train_labels, test * 1e-3, test_labels, max_neighbors=10)
    assert scaled == knn_accuracies(train, train_labels, test, test_labels, max_neighbors=10)


def test_half_precision_features_are_widened():
    train, train_labels = clustered(100)
    assert knn_accuracy(train.bfloat16(), train_labels, train.bfloat16(), train_labels, num_neighbors=1) == 1.0


def test_the_smallest_of_equally_good_k_is_chosen():
    assert best_num_neighbors([0.5, 0.7, 0.6, 0.7]) == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_neighbors": 11}, "num_neighbors must be at most the 10 rows searched, got 11"),
        ({"num_neighbors": 0}, "num_neighbors must be a whole number of at least 1, got 0"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"train_labels": torch.full((10,), -1)}, "train_labels must be whole numbers from 0, got -1"),
        ({"train_features": torch.full((10, 3), torch.nan)}, "reference must be finite"),
    ],
)
def test_a_wrong_argument_is_named(changed, message):
    arguments = {
        "train_features": torch.randn(10, 3, generator=torch.Generator().manual_seed(0)),
        "train_labels": torch.arange(10) % 2,
        "test_features": torch.ones(4, 3),
        "test_labels": torch.zeros(4, dtype=torch.int64),
        "num_neighbors": 3,
        **changed,
    }
    with pytest.raises(ValueError, match=message):
        knn_accuracy(**arguments)


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="test_labels must have one label for each of 4 rows, got shape \\(3,\\)"):
        check_labels("test_labels", torch.zeros(3, dtype=torch.int64), 4)


def test_class_ids_are_names_and_no_sizes():
    train, train_labels = clustered(60)
    ids = torch.tensor([5, 7, 10**12, 2**62])
    expected = knn_predictions(train, train_labels, train, max_neighbors=5)
    assert torch.equal(knn_predictions(train, ids[train_labels], train, max_neighbors=5), ids[expected])


def test_a_gpu_compares_enough_rows_at_a_time_to_be_busy():
    on_cpu, on_gpu = (torch.empty(1_000_000, 1, device=device) for device in ("cpu", "meta"))
    assert neighbors.rows_at_once(neighbors.CHUNK_SCORES, on_cpu) == 8
    assert neighbors.rows_at_once(neighbors.CHUNK_SCORES, on_gpu) > 256
