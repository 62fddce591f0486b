"""Weighted k-nearest-neighbour classification of frozen features.

A neighbour with cosine s votes for its class with weight exp(s / T).

Source: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section 3.4,
https://arxiv.org/abs/1805.01978.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.evaluation.neighbors import Neighbors, nearest

# n = training rows, t = test rows, d = feature width, c = test rows in a chunk, k = neighbours


def knn_accuracy(
    train_features: Float[Tensor, "n d"],
    train_labels: Int[Tensor, " n"],
    test_features: Float[Tensor, "t d"],
    test_labels: Int[Tensor, " t"],
    *,
    num_neighbors: int,
    temperature: float = 0.1,
) -> float:
    """Return the share of test rows classified correctly, in [0, 1].

    Args:
        train_features: The reference rows, any scale.
        train_labels: Their classes, whole numbers from 0 in any numbering.
        test_features: The rows to classify.
        test_labels: Their classes.
        num_neighbors: Neighbours that vote, at most the number of training rows.
        temperature: Divides the cosines, above 0.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    accuracies = knn_accuracies(
        train_features,
        train_labels,
        test_features,
        test_labels,
        max_neighbors=num_neighbors,
        temperature=temperature,
    )
    return accuracies[-1]


def knn_accuracies(
    train_features: Float[Tensor, "n d"],
    train_labels: Int[Tensor, " n"],
    test_features: Float[Tensor, "t d"],
    test_labels: Int[Tensor, " t"],
    *,
    max_neighbors: int = 200,
    temperature: float = 0.1,
) -> list[float]:
    """Return the accuracies in [0, 1] with 1, 2, ..., `max_neighbors` neighbours, from one sorted search.

    Every test row is scored, and element k - 1 is what `knn_accuracy` gives for k. The lowest class wins a tie.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    predictions = knn_predictions(
        train_features, train_labels, test_features, max_neighbors=max_neighbors, temperature=temperature
    )
    check_labels("test_labels", test_labels, len(test_features))
    correct = (predictions == test_labels[:, None]).sum(dim=0)
    return [count / len(test_labels) for count in correct.tolist()]


def knn_predictions(
    train_features: Float[Tensor, "n d"],
    train_labels: Int[Tensor, " n"],
    test_features: Float[Tensor, "t d"],
    *,
    max_neighbors: int,
    temperature: float = 0.1,
) -> Int[Tensor, "t k"]:
    """Return the predicted class of every test row with 1, 2, ..., `max_neighbors` neighbours.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    _checks.positive("temperature", temperature)
    check_labels("train_labels", train_labels, len(train_features))
    classes, numbers = train_labels.unique(return_inverse=True)
    chunks = nearest(test_features, train_features, num_neighbors=max_neighbors)
    return classes[torch.cat([_votes(chunk, numbers, len(classes), temperature) for chunk in chunks])]


def check_labels(name: str, labels: Int[Tensor, " n"], num_rows: int) -> None:
    """Refuse labels that are not one whole number from 0 for each of `num_rows` rows."""
    if labels.shape != (num_rows,):
        raise ValueError(f"{name} must have one label for each of {num_rows} rows, got shape {tuple(labels.shape)}")
    if num_rows and int(labels.min()) < 0:
        raise ValueError(f"{name} must be whole numbers from 0, got {int(labels.min())}; leave unlabelled rows out")


def best_num_neighbors(accuracies: Sequence[float]) -> int:
    """Return the smallest k with the highest accuracy, given the accuracies of k = 1, 2, ..."""
    return max(range(len(accuracies)), key=lambda index: (accuracies[index], -index)) + 1


def _votes(
    neighbors: Neighbors, train_labels: Int[Tensor, " n"], num_classes: int, temperature: float
) -> Int[Tensor, "c k"]:
    # Relative to the nearest neighbour, so that no temperature overflows; this changes no vote.
    cosines = neighbors.cosines.double()
    weights = ((cosines - cosines[:, :1]) / temperature).exp()
    classes = train_labels[neighbors.indices]
    votes = weights.new_zeros(len(weights), num_classes)
    predictions = torch.empty_like(classes)
    for k in range(weights.shape[1]):
        votes.scatter_add_(1, classes[:, k : k + 1], weights[:, k : k + 1])
        predictions[:, k] = votes.argmax(dim=1)
    return predictions
