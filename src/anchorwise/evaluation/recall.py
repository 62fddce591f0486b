"""Recall at k: the share of queries with an item of their own class among their k nearest.

This is the retrieval convention of Jegou et al. 2011, "Product Quantization for Nearest Neighbor Search", section V-B,
https://doi.org/10.1109/TPAMI.2010.57, with classes in the place of the true neighbour, as in metric learning
(Song et al. 2016, "Deep Metric Learning via Lifted Structured Feature Embedding", section 6.1,
https://arxiv.org/abs/1511.06452): the gallery of a test item is the test set without the item itself.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.evaluation.knn import check_labels
from anchorwise.evaluation.neighbors import Neighbors, nearest

# n = items, q = queries, g = gallery items, d = feature width


def recalls_within(
    features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], *, max_neighbors: int = 50
) -> list[float]:
    """Return recall at 1, 2, ..., `max_neighbors`, each item searched for among all other items.

    An item that is alone in its class counts as a miss; no item is left out.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    check_labels("labels", labels, len(features))
    chunks = nearest(features, features, num_neighbors=max_neighbors, exclude_self=True)
    return _recalls(chunks, labels, labels)


def recalls_in_gallery(
    query_features: Float[Tensor, "q d"],
    query_labels: Int[Tensor, " q"],
    gallery_features: Float[Tensor, "g d"],
    gallery_labels: Int[Tensor, " g"],
    *,
    max_neighbors: int = 50,
) -> list[float]:
    """Return recall at 1, 2, ..., `max_neighbors`, each query searched for in another set, such as the training set.

    Raises:
        ValueError: If shapes or values do not fit.
    """
    check_labels("query_labels", query_labels, len(query_features))
    check_labels("gallery_labels", gallery_labels, len(gallery_features))
    chunks = nearest(query_features, gallery_features, num_neighbors=max_neighbors)
    return _recalls(chunks, query_labels, gallery_labels)


def _recalls(chunks: Iterator[Neighbors], query_labels: Tensor, gallery_labels: Tensor) -> list[float]:
    counts = []
    for chunk in chunks:
        own = query_labels[chunk.first_query : chunk.first_query + len(chunk.indices)]
        hits = gallery_labels[chunk.indices] == own[:, None]
        counts.append((hits.cumsum(dim=1) > 0).sum(dim=0))
    found = torch.stack(counts).sum(dim=0)
    return [count / len(query_labels) for count in found.tolist()]
